// Asks a URL as a kubelet does for a probe by HTTP, and prints the status of the answer. The arguments after the URL are
// headers, as NAME=VALUE. The settings are those of pkg/probe/http in Kubernetes.
package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	request, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
	if err != nil {
		fail(err)
	}
	for _, header := range os.Args[2:] {
		name, value, _ := strings.Cut(header, "=")
		request.Header.Add(name, value)
	}
	request.Host = request.Header.Get("Host")
	request.Header.Del("Host")
	if _, given := request.Header["User-Agent"]; !given {
		request.Header.Set("User-Agent", "kube-probe/1")
	}
	if _, given := request.Header["Accept"]; !given {
		request.Header.Set("Accept", "*/*")
	}
	client := &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
			DisableKeepAlives:  true,
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		fail(err)
	}
	answer.Body.Close()
	fmt.Println(answer.StatusCode)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
