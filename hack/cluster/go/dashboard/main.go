// check-dashboard reads the JSON of a Grafana dashboard, and fails if it does not conform to the schema from which
// Grafana generates these types: unknown fields, missing ones and wrong types, also in the options of panels and in
// queries. It does not check the values of fields that have a fixed set of words, nor options of transformations.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(from io.Reader) error {
	plugins.RegisterDefaultPlugins()
	raw, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	var read dashboard.Dashboard
	if err := read.UnmarshalJSONStrict(raw); failed(err) {
		return err
	}
	if err := checkFields(raw); err != nil {
		return err
	}
	return read.Validate()
}

// checkFields reads the field configurations of all panels again: as parts of a panel they are not read strictly.
func checkFields(raw []byte) error {
	var parts struct {
		Panels []struct {
			Title       string          `json:"title"`
			FieldConfig json.RawMessage `json:"fieldConfig"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	for _, panel := range parts.Panels {
		var read dashboard.FieldConfigSource
		if err := read.UnmarshalJSONStrict(panel.FieldConfig); failed(err) {
			return fmt.Errorf("panel %s: %w", panel.Title, err)
		}
	}
	return nil
}

// failed returns whether there is an error: an empty list of errors is not nil.
func failed(err error) bool {
	return err != nil && err.Error() != ""
}
