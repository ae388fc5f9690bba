package server

import (
	"crypto/tls"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berth-dev/berth/server/certificate"
)

const defaultTLSReload = 10 * time.Second

// openCertificate returns nil if TLS is not configured.
func (o Options) openCertificate(r prometheus.Registerer) (*certificate.Files, error) {
	if o.TLSCertFile == "" {
		return nil, nil
	}
	files, err := certificate.Open(o.TLSCertFile, o.TLSKeyFile, o.Logger)
	if err != nil {
		return nil, err
	}
	promauto.With(r).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "berth_tls_certificate_expiry_seconds",
		Help: "Expiry of the TLS certificate, as a Unix timestamp.",
	}, func() float64 { return float64(files.NotAfter().Unix()) })
	return files, nil
}

func (s *server) tlsConfig() *tls.Config {
	if s.certificate == nil {
		return nil
	}
	return s.certificate.Config()
}
