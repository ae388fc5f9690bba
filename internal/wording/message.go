package wording

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Surface is where a user meets a message.
type Surface string

// The surfaces. Help texts have their own golden file beside the commands.
const (
	CLI      Surface = "cli"
	Server   Surface = "server"
	Explain  Surface = "explain"
	Template Surface = "template"
	Worker   Surface = "worker"
	Log      Surface = "log"
	UI       Surface = "ui"
	Alert    Surface = "alert"
	Chart    Surface = "chart"
)

// Surfaces lists every surface.
func Surfaces() []Surface {
	return []Surface{CLI, Server, Explain, Template, Worker, Log, UI, Alert, Chart}
}

// Message is one text that a user can read.
type Message struct {
	Surface Surface
	File    string // slash-separated, from the root of the module
	Line    int
	Text    string // with the verbs of a format string; operands of a concatenation show as {…}
}

// folders says which surface the Go files below a folder speak on; the longest prefix decides.
func folders() map[string]Surface {
	return map[string]Surface{
		"cmd":            CLI,
		"charts":         CLI,
		"server":         Server,
		"server/explain": Explain,
		"templating":     Template,
		"worker":         Worker,
	}
}

// surfaceOf returns the surface of the Go files in a folder, or "" where users read nothing of it.
func surfaceOf(folder string) Surface {
	for ; folder != "."; folder = path.Dir(folder) {
		if surface, ok := folders()[folder]; ok {
			return surface
		}
	}
	return ""
}

// Format lists the messages of one surface by folder, each once, as the golden files hold them. Folders
// rather than files: moving a function does not change what users read.
func Format(messages []Message, surface Surface) string {
	byFolder := map[string][]string{}
	for _, m := range messages {
		if m.Surface == surface {
			folder := path.Dir(m.File)
			byFolder[folder] = append(byFolder[folder], fmt.Sprintf("%q", m.Text))
		}
	}

	names := make([]string, 0, len(byFolder))
	for folder := range byFolder {
		names = append(names, folder)
	}
	slices.Sort(names)

	var out strings.Builder
	for i, folder := range names {
		if i > 0 {
			out.WriteString("\n")
		}
		texts := byFolder[folder]
		slices.Sort(texts)
		fmt.Fprintf(&out, "# %s\n%s\n", folder, strings.Join(slices.Compact(texts), "\n"))
	}
	return out.String()
}
