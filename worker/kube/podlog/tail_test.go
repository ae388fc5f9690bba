package podlog

import (
	"fmt"
	"strings"
	"testing"
)

func TestLastLinesAreBounded(t *testing.T) {
	var end tail
	for i := range 10000 {
		end.write(fmt.Appendf(nil, "line %d\n", i))
	}
	if len(end.text) > 2*tailBytes {
		t.Errorf("%d bytes are kept", len(end.text))
	}
	lines := strings.Split(end.lastLines(), "\n")
	if len(lines) != tailLines || lines[tailLines-1] != "line 9999" || lines[0] != "line 9980" {
		t.Errorf("last lines: %q", lines)
	}
	if got := (&tail{text: []byte(strings.Repeat("x", 3*tailBytes))}).lastLines(); len(got) != tailBytes {
		t.Errorf("one long line is cut to %d bytes", len(got))
	}
	if got := (&tail{text: []byte("a\xffb\n")}).lastLines(); got != "a\uFFFDb" {
		t.Errorf("invalid UTF-8 becomes %q", got)
	}
}
