package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

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
	names    map[string]string   // of an entry to that of its file
	files    map[string]asset    // by names
	parts    map[string][]string // of a script, by names of files: what it imports at once
	licenses string
}

// asset is a file, and the same compressed, once it was asked for it.
type asset struct {
	content []byte
	packed  func() []byte
}

func newAsset(content []byte) asset {
	return asset{content, sync.OnceValue(func() []byte {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err == nil {
			_, err = w.Write(content)
		}
		if err := errors.Join(err, w.Close()); err != nil {
			panic("ui: compress: " + err.Error()) // a buffer takes everything
		}
		return packed.Bytes()
	})}
}

// loadAssets reads what is embedded. Without scripts, the pages are plain.
func loadAssets() *assets {
	a := &assets{names: map[string]string{}, files: map[string]asset{}}
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
		a.names[name], a.files[file] = file, newAsset(read(dist, "dist/"+file))
	}
	if err := json.Unmarshal(read(dist, "dist/parts.json"), &a.parts); err != nil {
		panic("ui: dist/parts.json: " + err.Error()) // build.mjs writes it
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
	a.names[name], a.files[file] = file, newAsset(content)
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
	file, found := a.files[name]
	if !found {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	header.Set("Content-Security-Policy", policy)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	content := file.content
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		content = file.packed()
	}
	_, _ = w.Write(content) // the browser has disconnected
}

// acceptsGzip reads Accept-Encoding as far as browsers write it.
func acceptsGzip(accepted string) bool {
	for one := range strings.SplitSeq(accepted, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(one), ";")
		if strings.TrimSpace(name) == "gzip" {
			weight, _ := strings.CutPrefix(strings.TrimSpace(quality), "q=")
			return strings.Trim(weight, "0.") != "" || quality == ""
		}
	}
	return false
}
