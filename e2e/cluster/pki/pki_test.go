package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

func TestCertificatesAreGoodForTheirPurposeOnly(t *testing.T) {
	authority, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Server("api", "127.0.0.1", "kubernetes.default.svc")
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client("system:node:a", "system:nodes")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority.Cert) {
		t.Fatal("the authority's certificate can not be read")
	}
	for name, test := range map[string]struct {
		pair  Pair
		host  string
		usage x509.ExtKeyUsage
		good  bool
	}{
		"a server by address":      {server, "127.0.0.1", x509.ExtKeyUsageServerAuth, true},
		"a server by name":         {server, "kubernetes.default.svc", x509.ExtKeyUsageServerAuth, true},
		"a server by another name": {server, "example.com", x509.ExtKeyUsageServerAuth, false},
		"a server as a client":     {server, "", x509.ExtKeyUsageClientAuth, false},
		"a client":                 {client, "", x509.ExtKeyUsageClientAuth, true},
		"a client as a server":     {client, "", x509.ExtKeyUsageServerAuth, false},
	} {
		t.Run(name, func(t *testing.T) {
			options := x509.VerifyOptions{
				Roots: roots, DNSName: test.host, KeyUsages: []x509.ExtKeyUsage{test.usage},
			}
			if _, err := parse(t, test.pair).Verify(options); (err == nil) != test.good {
				t.Errorf("verified with %v, want good: %v", err, test.good)
			}
		})
	}
	if subject := parse(t, client).Subject; subject.CommonName != "system:node:a" ||
		subject.Organization[0] != "system:nodes" {
		t.Errorf("the client is %v", subject)
	}
}

func TestKeysAreWrittenForTheirOwnerOnly(t *testing.T) {
	authority, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca")
	if err := authority.Write(path); err != nil {
		t.Fatal(err)
	}
	if _, err := tls.LoadX509KeyPair(path+".crt", path+".key"); err != nil {
		t.Errorf("key and certificate do not fit: %v", err)
	}
	info, err := os.Stat(path + ".key")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

func parse(t *testing.T, pair Pair) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(pair.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
