// Command gen writes the JSON Schema of berth.yaml into the file that it is given. It is run by go generate,
// after the API that the schema is made from.
package main

import (
	"fmt"
	"os"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
)

func main() {
	if err := write(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("needs the file to write")
	}
	schema, err := berthfile.Schema()
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], schema, 0o644)
}
