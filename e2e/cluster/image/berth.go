package image

import (
	"context"
	"encoding/pem"
	"io/fs"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// BerthRepository is the name of the product's image, without a tag.
const BerthRepository = "ghcr.io/berth-dev/berth"

// Berth describes the product's image: the static program at binary, started as a user that is not root, with
// what a program needs of a system and no more. Its root file system may be read-only; /tmp and
// /var/lib/berth are where volumes go.
func Berth(ctx context.Context, binary, version string) (Spec, error) {
	base, err := BerthBase(ctx)
	if err != nil {
		return Spec{}, err
	}
	program := Tree{}
	if err := program.CopyFile("usr/local/bin/berth", binary, 0o755); err != nil {
		return Spec{}, err
	}
	return Spec{
		Reference: BerthRepository + ":" + version,
		Layers:    []Tree{base, program},
		Config:    BerthConfig(version),
		Compress:  true,
	}, nil
}

// BerthConfig says how the image runs. The Dockerfile says the same.
func BerthConfig(version string) v1.Config {
	return v1.Config{
		User:       "65532:65532",
		Entrypoint: []string{"/usr/local/bin/berth"},
		WorkingDir: "/var/lib/berth",
		Env:        []string{"PATH=/usr/local/bin", "HOME=/var/lib/berth"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "Berth",
			"org.opencontainers.image.source":   "https://github.com/berth-dev/berth",
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version":  version,
		},
	}
}

// BerthBase is everything in the product's image but the program. It comes from pinned modules and from the
// Go distribution, so that it does not depend on the machine.
func BerthBase(ctx context.Context) (Tree, error) {
	tree := Tree{}
	tree.File(
		"etc/passwd",
		0o644,
		[]byte(
			"root:x:0:0:root:/root:/sbin/nologin\nberth:x:65532:65532:Berth:/var/lib/berth:/sbin/nologin\n"),
	)
	tree.File("etc/group", 0o644, []byte("root:x:0:\nberth:x:65532:\n"))
	tree.File("etc/nsswitch.conf", 0o644, []byte("hosts: files dns\n"))
	tree.File("etc/ssl/certs/ca-certificates.crt", 0o644, authorities())
	tree.Dir("tmp", 0o777|fs.ModeSticky, 0)
	tree.HomeDir("var/lib/berth", NonRoot)
	if err := addTimeZones(ctx, tree); err != nil {
		return nil, err
	}
	return tree, nil
}

// authorities is Mozilla's list of certificate authorities, each under its name.
func authorities() []byte {
	var text strings.Builder
	for root := range bundle.Roots() {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}
		text.Write(pem.EncodeToMemory(block))
	}
	return []byte(text.String())
}
