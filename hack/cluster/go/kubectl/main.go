// kubectl-served runs commands of kubectl one after another: a process for each takes a tenth of a second of a core.
//
// It reads a JSON object a line, {"arguments": [...], "stdin": "..."}, and answers each with
// {"stdout": "...", "stderr": "...", "code": 0}. It ends with its standard input.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

type command struct {
	Arguments []string `json:"arguments"`
	Stdin     string   `json:"stdin"`
}

type outcome struct {
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
	Code   int    `json:"code"`
}

// exit is how a command ends whose process kubectl would end.
type exit struct {
	message string
	code    int
}

// descriptor0 is kept, as Go closes the descriptor of a file that nothing refers to any more.
var descriptor0 = os.Stdin

func main() {
	cmdutil.BehaviorOnFatal(func(message string, code int) { panic(exit{message, code}) })
	descriptor, err := syscall.Dup(0)
	if err != nil {
		panic(err)
	}
	commands, outcomes := json.NewDecoder(os.NewFile(uintptr(descriptor), "commands")), json.NewEncoder(os.Stdout)
	for {
		var given command
		if err := commands.Decode(&given); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			panic(err)
		}
		stdin := write(given.Stdin)
		done := run(given.Arguments, stdin)
		stdin.Close()
		if err := outcomes.Encode(done); err != nil {
			panic(err)
		}
	}
}

// write returns an open file with a text, and no name.
func write(text string) *os.File {
	file, err := os.CreateTemp("", "")
	if err != nil {
		panic(err)
	}
	if err := errors.Join(os.Remove(file.Name()), second(file.WriteString(text)), second(file.Seek(0, io.SeekStart))); err != nil {
		panic(err)
	}
	return file
}

func second[T any](_ T, err error) error { return err }

func run(arguments []string, stdin *os.File) (done outcome) {
	var stdout, stderr bytes.Buffer
	defer func() {
		if raised := recover(); raised != nil {
			end, expected := raised.(exit)
			if !expected {
				panic(raised)
			}
			if end.message != "" {
				fmt.Fprintln(&stderr, strings.TrimSuffix(end.message, "\n"))
			}
			done.Code = end.code
		}
		done.Stdout, done.Stderr = stdout.String(), stderr.String()
	}()
	// "-f -" is read from here, whatever the streams of the command are, and "/dev/stdin" from descriptor 0.
	os.Stdin = stdin
	if err := syscall.Dup3(int(stdin.Fd()), int(descriptor0.Fd()), 0); err != nil {
		panic(err)
	}
	kubectl := cmd.NewDefaultKubectlCommandWithArgs(cmd.KubectlOptions{
		Arguments: append([]string{"kubectl"}, arguments...),
		IOStreams: genericiooptions.IOStreams{In: stdin, Out: &stdout, ErrOut: &stderr},
	})
	kubectl.SetArgs(arguments)
	kubectl.SetOut(&stdout)
	kubectl.SetErr(&stderr)
	kubectl.SilenceErrors = true
	cmdutil.CheckErr(kubectl.Execute())
	return done
}
