package flagset_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
)

func TestDurationsInALogAreReadable(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var log flagset.Log
		var out bytes.Buffer
		cmd := &cobra.Command{}
		log.Add(cmd, "info")
		if err := cmd.ParseFlags([]string{"--log-format", format}); err != nil {
			t.Fatal(err)
		}
		logger, err := log.Logger(&cli.App{Err: &out})
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("m", "took", 90*time.Second)
		if !bytes.Contains(out.Bytes(), []byte("1m30s")) {
			t.Errorf("%s: %s", format, &out)
		}
	}
}

// TestAHookSaysItInTheFormatOfTheChart: one line of JSON on standard error, or a line of text on standard output.
func TestAHookSaysItInTheFormatOfTheChart(t *testing.T) {
	for format, want := range map[string]string{"text": "wrote 2 keys\n", "json": ""} {
		var log flagset.Log
		var out, err bytes.Buffer
		cmd := &cobra.Command{}
		log.AddFormat(cmd)
		if err := cmd.ParseFlags([]string{"--log-format", format}); err != nil {
			t.Fatal(err)
		}
		if err := log.Say(&cli.App{Out: &out, Err: &err}, "wrote %d keys", 2); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s: standard output %q, want %q", format, &out, want)
		}
		if format == "json" {
			var line struct{ Msg string }
			if e := json.Unmarshal(err.Bytes(), &line); e != nil || line.Msg != "wrote 2 keys" {
				t.Errorf("%s: %v", &err, e)
			}
		}
	}
}
