package outbound

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// clientOf returns a client that may call what these texts say.
func clientOf(t *testing.T, timeout time.Duration, allowed ...string) *http.Client {
	t.Helper()
	p, err := ParsePolicy(allowed)
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(Options{Timeout: timeout, ResponseMax: 100, Policy: p})
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func serverOf(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// TestANameThatResolvesToThisMachineIsRefused: localhost is such a name, and allowed as a name.
func TestANameThatResolvesToThisMachineIsRefused(t *testing.T) {
	server := serverOf(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") })
	address := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	_, err := clientOf(t, time.Minute, "http://localhost", "http://*").Get(address)
	var refused *RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reason, "not public") {
		t.Errorf("a call of %s: %v", address, err)
	}
}

func TestANameWithAnAllowedAddressIsCalledWithoutTLSOnlyIfThatIsAllowed(t *testing.T) {
	calls := 0
	server := serverOf(t, func(http.ResponseWriter, *http.Request) { calls++ })
	address := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if _, err := clientOf(t, time.Minute, "localhost=127.0.0.0/8", "http://10.0.0.0/8").Get(address); err == nil || calls > 0 {
		t.Errorf("called without TLS %d times: %v", calls, err)
	}
	response, err := clientOf(t, time.Minute, "http://localhost=127.0.0.0/8").Get(address)
	if err != nil || response.StatusCode != http.StatusOK || calls != 1 {
		t.Errorf("called %d times: %v", calls, err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	inner := serverOf(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	outer := serverOf(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner.URL, http.StatusFound) })
	response, err := clientOf(t, time.Minute, "http://127.0.0.0/8").Get(outer.URL)
	if err != nil || response.StatusCode != http.StatusFound {
		t.Errorf("%v, %v", response, err)
	}
}

func TestAProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	if NewClient(Options{Policy: &Policy{}}).Transport.(limited).next.Proxy != nil {
		t.Error("a client with a policy uses a proxy")
	}
}

func TestAnswersAreBounded(t *testing.T) {
	huge := serverOf(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			_, _ = io.WriteString(w, strings.Repeat("x", 1000)) // fails once the client has read enough
		}
	})
	client := clientOf(t, time.Minute, "http://127.0.0.0/8")
	response, err := client.Get(huge.URL)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); err != nil || len(body) != 100 {
		t.Errorf("read %d bytes, %v", len(body), err)
	}
	headers := serverOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Huge", strings.Repeat("x", 2*headerMax))
	})
	if _, err := client.Get(headers.URL); err == nil {
		t.Error("headers of any size are read")
	}
}

// TestAnAnswerThatNeverEndsIsGivenUp: one without headers, and one whose body trickles.
func TestAnAnswerThatNeverEndsIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // it accepts connections, and answers none
	endless := serverOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for _, url := range []string{"http://" + listener.Addr().String(), endless.URL} {
		_, err := clientOf(t, 200*time.Millisecond, "http://127.0.0.0/8").Get(url)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestTLSIsCheckedAgainstTheHost: the address is checked, and then the certificate is that of the name.
func TestTLSIsCheckedAgainstTheHost(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	p, err := ParsePolicy([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	trusting := NewClient(Options{Timeout: time.Minute, ResponseMax: 100, Policy: p, Authorities: authorities})
	t.Cleanup(trusting.CloseIdleConnections)
	if _, err := trusting.Get(server.URL); err != nil {
		t.Error(err)
	}
	var name x509.HostnameError
	if _, err := trusting.Get(strings.Replace(server.URL, "127.0.0.1", "localhost", 1)); !errors.As(err, &name) {
		t.Errorf("for another host: %v", err)
	}
	var authority x509.UnknownAuthorityError
	if _, err := clientOf(t, time.Minute, "127.0.0.0/8").Get(server.URL); !errors.As(err, &authority) {
		t.Errorf("of an unknown authority: %v", err)
	}
}
