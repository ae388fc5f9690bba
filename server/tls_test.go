package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/certificate/certtest"
)

// put writes a certificate as a careful tool does: each file whole.
func put(t *testing.T, dir string, pair certtest.Pair) {
	t.Helper()
	for name, data := range map[string][]byte{"tls.crt": pair.Cert, "tls.key": pair.Key} {
		fresh := filepath.Join(dir, name+".new")
		if err := os.WriteFile(fresh, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(fresh, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServerReloadsItsCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := certtest.New(t, 1), certtest.New(t, 2)
	put(t, dir, one)
	r := start(t, func(o *server.Options) {
		o.TLSCertFile, o.TLSKeyFile, o.TLSReloadEvery = filepath.Join(dir, "tls.crt"), filepath.Join(dir,
			"tls.key"), 10*time.Millisecond
	})
	if !strings.HasPrefix(r.url, "https://127.0.0.1:") {
		t.Fatalf("it serves %s", r.url)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(one.Cert)
	authorities.AppendCertsFromPEM(two.Cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}, ForceAttemptHTTP2: true}
	r.http.Transport = transport
	r.deploy("etl", "")
	run := r.startRun("etl", `{}`)
	w := r.newWorker("w")
	claim := w.claimOne()
	s := r.stream(run, "", "") // over HTTP/2, across the change of the certificate
	cookie := r.signedIn(r.admin)
	if !strings.HasPrefix(cookie, "__Host-berth-key=") {
		t.Errorf("the cookie is %q", cookie)
	}
	r.page("/runs", "Cookie", cookie).is(http.StatusOK).has("<h1>Runs</h1>", "etl") // over HTTP/2 too

	served := func() int64 {
		t.Helper()
		connection, err := (&tls.Dialer{Config: &tls.Config{RootCAs: authorities}}).DialContext(t.Context(),
			"tcp", strings.TrimPrefix(r.url, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := served(); got != 1 {
		t.Fatalf("it serves number %d", got)
	}
	put(t, dir, two)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for served() != 2 {
		if ctx.Err() != nil {
			t.Fatal("the new certificate is not taken up")
		}
	}
	w.begin(claim)
	w.finish(claim, 0, "")
	s.until(isEnd)
	if got := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(),
		"")); got.Run.State.Type != api.COMPLETED {
		t.Errorf("the run is %s", got.Run.State.Type)
	}
	if metrics := string(r.call(http.MethodGet, "/metrics",
		"").body); !strings.Contains(metrics, "berth_tls_certificate_expiry_seconds") {
		t.Error("the metrics do not say when the certificate ends")
	}
}
