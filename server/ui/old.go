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

// oldPolicy restricts the page to this server, and forbids inline scripts and frames.
const oldPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Pages returns the handlers of the files, by path. index.html is at /.
func Pages() map[string]http.Handler {
	pages := map[string]http.Handler{}
	for _, name := range []string{"index.html", "app.js", "api.js", "overview.js", "run.js", "deployment.js", "pool.js", "approval.js", "rules.js", "style.css", "favicon.svg"} {
		content, err := fs.ReadFile(static, "static/"+name)
		if err != nil {
			panic("ui: " + name + " is not embedded") // the list above must match the folder
		}
		address := "/ui/" + name
		if name == "index.html" {
			address = "/"
		}
		pages[address] = oldPage(name, content)
	}
	return pages
}

// page serves one file. Browsers revalidate it by its hash on every load, so that a new release shows at
// once.
func oldPage(name string, content []byte) http.Handler {
	sum := sha256.Sum256(content)
	const etagBytes = 8
	etag := strconv.Quote(hex.EncodeToString(sum[:etagBytes]))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		header.Set("Content-Security-Policy", oldPolicy)
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-cache")
		header.Set("ETag", etag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	})
}
