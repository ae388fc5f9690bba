package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// rotatingServer is the API server under one address, with certificates of one authority and then of another.
type rotatingServer struct {
	url         string
	certificate atomic.Pointer[tls.Certificate]
}

// rotatingAPIServer starts it in front of the API server.
func (c *cluster) rotatingAPIServer(t testing.TB) *rotatingServer {
	t.Helper()
	transport, err := rest.TransportFor(c.config)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(c.config.Host)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport, FlushInterval: -1,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	s := &rotatingServer{}
	// Not GetCertificate, which is for clients that name the host: this one has an address alone.
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*s.certificate.Load()}}, nil
	}}
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	s.url = server.URL
	return s
}

// rotate makes a new authority, and returns a kubeconfig that trusts nothing else.
func (s *rotatingServer) rotate(t testing.TB) (kubeconfig string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s.certificate.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})

	config := clientcmdapi.NewConfig()
	config.Clusters["rotated"] = &clientcmdapi.Cluster{
		Server: s.url, CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}
	config.Contexts["rotated"] = &clientcmdapi.Context{Cluster: "rotated"}
	config.CurrentContext = "rotated"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// beforeRotation has the first worker trust an authority that caRotated replaces.
func beforeRotation(p *scenarioTest) {
	server := p.rotatingAPIServer(p.t)
	p.config = server.rotate(p.t)
	p.scenario.act = func(p *scenarioTest) { caRotated(p, server) }
}

// caRotated replaces the authority while a run runs, and restarts the worker with a kubeconfig that trusts the new one: to
// the server it is a worker of the same cluster.
func caRotated(p *scenarioTest, server *rotatingServer) {
	p.awaitRunningPod()
	p.awaitRun("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.first.kill(p.t)
	p.moreFlags = append(p.moreFlags, "--kubeconfig", server.rotate(p.t))
	p.worker("second")
	p.openGate()
}
