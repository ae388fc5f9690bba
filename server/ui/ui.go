// Package ui is the web UI: a few static files, embedded, with no build step and nothing loaded from
// elsewhere. The page talks to the API as any client does; where the server wants an API key it asks for one
// and keeps it for the tab only.
package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"time"
)

//go:embed static
var static embed.FS

// policy lets the page load and reach nothing but this server, run no inline script, and be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Pages returns what is served, by path. The page itself is at /.
func Pages() map[string]http.Handler {
	pages := map[string]http.Handler{}
	for _, name := range []string{"index.html", "app.js", "api.js", "overview.js", "run.js", "deployment.js", "pool.js", "style.css", "favicon.svg"} {
		content, err := fs.ReadFile(static, "static/"+name)
		if err != nil {
			panic("ui: " + name + " is not embedded") // the list above and the folder are one source
		}
		address := "/ui/" + name
		if name == "index.html" {
			address = "/"
		}
		pages[address] = page(name, content)
	}
	return pages
}

// page serves one file. It is checked by its hash each time, so that a new release is seen at once.
func page(name string, content []byte) http.Handler {
	sum := sha256.Sum256(content)
	const enough = 8
	etag := strconv.Quote(hex.EncodeToString(sum[:enough]))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		header.Set("Content-Security-Policy", policy)
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-cache")
		header.Set("ETag", etag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	})
}
