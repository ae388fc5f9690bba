package cli

import (
	"io"
	"strings"
	"testing"
)

// TestATerminalObeysNoOutput writes each text at once and byte by byte.
func TestATerminalObeysNoOutput(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"text":                     {"héllo\tthere\n", "héllo\tthere\n"},
		"colours":                  {"\x1b[1;38;5;208mwarn\x1b[0m\n", "\x1b[1;38;5;208mwarn\x1b[0m\n"},
		"a progress bar":           {"10 %\r\x1b[K20 %\n", "10 %\r\x1b[K20 %\n"},
		"a title":                  {"\x1b]0;pwned\a", `\u001b]0;pwned\u0007`},
		"the clipboard":            {"\x1b]52;c;cm0gLXJm\x1b\\", `\u001b]52;c;cm0gLXJm\u001b\`},
		"a cleared screen":         {"\x1b[2J\x1b[H", `\u001b[2J\u001b[H`},
		"a question to the reader": {"\x1b[6n\x1b[c", `\u001b[6n\u001b[c`},
		"C1 characters":            {"\u009b2J\u009d0;x\u009c", `\u009b2J\u009d0;x\u009c`},
		"a byte that is C1":        {"a\x9b2J", "a\uFFFD2J"},
		"bidirectional override":   {"a\u202eb", `a\u202eb`},
		"backspaces":               {"rm\b\bls", `rm\u0008\u0008ls`},
		"a sequence without end":   {"\x1b[" + strings.Repeat("1;", 100), `\u001b[` + strings.Repeat("1;", 100)},
		"DCS":                      {"\x1bP$q\x1b\\", `\u001bP$q\u001b\`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{len(c.text), 1} {
				var out strings.Builder
				w := &terminalWriter{to: &out}
				for rest := c.text; rest != ""; {
					n := min(size, len(rest))
					if _, err := io.WriteString(w, rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if out.String() != c.want {
					t.Errorf("%d bytes at a time: got %q, want %q", size, out.String(), c.want)
				}
			}
		})
	}
}
