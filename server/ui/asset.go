package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gorilla/mux"
)

//go:embed style/*.css style/*.svg
var styles embed.FS

// dist holds the scripts, where they were built.
//
//go:embed dist
var dist embed.FS

// assets are the files beside the pages. Their names hold a hash of their content, so that browsers keep them for ever.
type assets struct {
	names    map[string]string // of an entry to that of its file
	files    map[string][]byte // by names
	licenses string
}

// loadAssets reads what is embedded. Without scripts, the pages are plain.
func loadAssets() *assets {
	a := &assets{names: map[string]string{}, files: map[string][]byte{}}
	var style []byte
	for _, name := range []string{"token.css", "part.css", "page.css", "log.css", "graph.css", "wish.css"} {
		style = append(style, read(styles, "style/"+name)...)
	}
	a.add("style", "css", style)
	a.add("icon", "svg", read(styles, "style/icon.svg"))
	manifest, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		return a // it was built without Node
	}
	scripts := map[string]string{}
	if err := json.Unmarshal(manifest, &scripts); err != nil {
		panic("ui: dist/manifest.json: " + err.Error()) // build.mjs writes it
	}
	for name, file := range scripts {
		a.names[name], a.files[file] = file, read(dist, "dist/"+file)
	}
	a.licenses = string(read(dist, "dist/licenses.txt"))
	return a
}

// Built reports whether the binary holds the scripts of the pages.
func Built() bool {
	_, err := dist.ReadFile("dist/manifest.json")
	return err == nil
}

func (a *assets) add(name, kind string, content []byte) {
	sum := sha256.Sum256(content)
	const hashBytes = 5
	file := name + "-" + strings.ToUpper(hex.EncodeToString(sum[:hashBytes])) + "." + kind
	a.names[name], a.files[file] = file, content
}

func read(from embed.FS, name string) []byte {
	content, err := from.ReadFile(name)
	if err != nil {
		panic("ui: " + err.Error()) // it is embedded
	}
	return content
}

// serve answers with one file.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	name := mux.Vars(r)["name"]
	content, found := a.files[name]
	if !found {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	header.Set("Content-Security-Policy", policy)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content) // the browser has disconnected
}
