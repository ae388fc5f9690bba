package signin

import (
	"html/template"
	"net/http"
)

// failed is the page of a sign-in that failed. Its texts are plain: nothing of a request is on it.
var failed = template.Must(template.New("failed").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign-in failed · Berth</title>
<link rel="icon" href="/ui/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/style.css">
</head>
<body>
<header><a class="brand" href="/"><img src="/ui/favicon.svg" alt="" width="28" height="28"> Berth</a></header>
<main id="main">
<h2>Sign-in failed</h2>
<p class="problem" role="alert">{{.}}</p>
<p><a href="/sign-in">Sign in again</a> · <a href="/">Use an API key</a></p>
</main>
</body>
</html>
`))

func writePage(w http.ResponseWriter, status int, message string) {
	protect(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = failed.Execute(w, message) // the client has disconnected
}
