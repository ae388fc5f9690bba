package ui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

//go:embed page/*.html
var pages embed.FS

// policy lets the pages load what this server has, and nothing else; no string becomes a script or markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; " +
	"require-trusted-types-for 'script'; trusted-types berth"

// page is an answer to a request for a page.
type page struct {
	status   int
	template string
	view     any
	redirect string // relative to the page that was asked for
}

// redirectTo answers with an address of the site, after a form was sent.
func (v *visit) redirectTo(segments ...string) page {
	return page{redirect: v.root() + joinPath(segments)}
}

// Frame is what all pages share.
type Frame struct {
	// Root is the relative address of the site: it works below any path of a proxy.
	Root  string
	Title string
	// Here is the entry of the navigation that the page is in.
	Here string
	// Who looks; nil on the pages that need no key.
	Who *api.WhoAmI
	// Topics are what the page shows, in the words of GET /api/v1/changes.
	Topics []string
	// Scripts are those beside live, by the names of their entries.
	Scripts []string
	Path    string // of this page below the root, with its query
	assets  *assets
}

// newFrame returns the frame of a page.
func (v *visit) newFrame(title, here string, topics ...string) (Frame, error) {
	f := v.bareFrame(title)
	who, err := value(v.api.GetWhoAmIWithResponse(v.Context()))
	if err != nil {
		return f, err
	}
	f.Who, f.Here, f.Topics = &who, here, topics
	return f, nil
}

// bareFrame returns the frame of a page that anybody may see.
func (v *visit) bareFrame(title string) Frame {
	here := strings.TrimPrefix(v.URL.EscapedPath(), "/")
	if v.URL.RawQuery != "" {
		here += "?" + v.URL.RawQuery
	}
	return Frame{Root: v.root(), Title: title, Path: here, assets: v.site.assets}
}

// root is the relative address of the site from a page.
func (v *visit) root() string {
	depth := strings.Count(strings.TrimPrefix(v.URL.EscapedPath(), "/"), "/")
	if depth == 0 {
		return "./"
	}
	return strings.Repeat("../", depth)
}

// address is that of the API as the browser reached it, without a path that a proxy added.
func (v *visit) address() string {
	scheme := "http"
	if v.TLS != nil || v.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + v.Host
}

func joinPath(segments []string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return strings.Join(escaped, "/")
}

// To is the address of a page of the site by the segments of its path.
func (f Frame) To(segments ...string) string { return f.Root + joinPath(segments) }

// Asset is the address of a script or style by the name of its entry; empty where it was not built.
func (f Frame) Asset(name string) string {
	if file := f.assets.names[name]; file != "" {
		return f.Root + "assets/" + file
	}
	return ""
}

// Parts are the addresses of what a script imports at once, by the name of its entry: a browser loads them beside it.
func (f Frame) Parts(name string) []string {
	var all []string
	for _, file := range f.assets.parts[f.assets.names[name]] {
		all = append(all, f.Root+"assets/"+file)
	}
	return all
}

// May reports whether whoever looks may call an operation of the API on a work pool; "*" is any.
func (f Frame) May(operation, pool string) bool {
	if f.Who == nil {
		return false
	}
	for _, allowed := range f.Who.Operations[operation] {
		if allowed == "*" || allowed == pool || pool == "*" {
			return true
		}
	}
	return false
}

// allow refuses whoever may not call an operation of the API on a work pool: a page whose form would be refused shows none.
func (f Frame) allow(operation, pool string) error {
	if f.May(operation, pool) {
		return nil
	}
	document := problem.Document(problem.Newf(problem.Forbidden, "your role does not permit what this page does"))
	return &apiError{Problem: document, status: http.StatusForbidden}
}

// newFrameTo returns the frame of a page that does an operation of the API on a work pool.
func (v *visit) newFrameTo(operation, pool, title, here string, topics ...string) (Frame, error) {
	f, err := v.newFrame(title, here, topics...)
	if err == nil {
		err = f.allow(operation, pool)
	}
	return f, err
}

// Role describes whoever looks.
func (f Frame) Role() string {
	if f.Who == nil {
		return ""
	}
	roles := []string{}
	for _, b := range f.Who.Bindings {
		text := string(b.Role)
		if b.Pool != "" && b.Pool != "*" {
			text += " in " + string(b.Pool)
		}
		roles = append(roles, text)
	}
	return strings.Join(roles, ", ")
}

// templates are the parsed pages.
type templates struct{ byName map[string]*template.Template }

// loadTemplates parses each page with the layout and what pages share.
func loadTemplates() *templates {
	shared := template.Must(template.New("").Funcs(functions).ParseFS(pages, "page/layout.html", "page/part.html"))
	t := &templates{byName: map[string]*template.Template{}}
	files, err := fs.Glob(pages, "page/*.html")
	if err != nil {
		panic(err) // the pattern is ours
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name != "layout" && name != "part" {
			t.byName[name] = template.Must(template.Must(shared.Clone()).ParseFS(pages, file))
		}
	}
	return t
}

// write sends a page. A template that fails sends no half of it.
func (p page) write(v *visit) {
	header := v.w.Header()
	header.Set("Cache-Control", "no-store")
	if header.Get("Referrer-Policy") == "" {
		// Nothing is said to other sites; a form of this one says where it comes from, which the API checks.
		header.Set("Referrer-Policy", "same-origin")
	}
	if p.redirect != "" {
		header.Set("Location", p.redirect)
		v.w.WriteHeader(http.StatusSeeOther)
		return
	}
	var body bytes.Buffer
	if err := v.site.templates.byName[p.template].ExecuteTemplate(&body, "layout", p.view); err != nil {
		v.site.Logger.Error("page failed", "page", p.template, "error", err)
		http.Error(v.w, fmt.Sprintf("the page %s cannot be made", p.template), http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	v.w.WriteHeader(max(p.status, http.StatusOK))
	_, _ = v.w.Write(body.Bytes()) // the browser has disconnected
}
