package image

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestArchiveIsAnOCILayoutUnderItsFullName(t *testing.T) {
	for name, test := range map[string]struct {
		spec      Spec
		wantName  string
		wantLayer string
	}{
		"a short Docker name, not compressed": {
			Spec{Reference: "docker.io/library/x:1", Layers: []Tree{{"a": {Mode: 0o644}}}},
			"docker.io/library/x:1", "application/vnd.oci.image.layer.v1.tar",
		},
		"another registry, compressed": {
			Spec{Reference: "ghcr.io/berth-dev/berth:dev", Layers: []Tree{{"a": {Mode: 0o644}}}, Compress: true},
			"ghcr.io/berth-dev/berth:dev", "application/vnd.oci.image.layer.v1.tar+gzip",
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, file := range readTar(t, bytes.NewReader(pack(t, test.spec)), func(string, string) {}) {
				files[name] = file.data
			}
			var index v1.IndexManifest
			if err := json.Unmarshal(files["index.json"], &index); err != nil {
				t.Fatal(err)
			}
			if got := index.Manifests[0].Annotations["io.containerd.image.name"]; got != test.wantName {
				t.Errorf("containerd would call it %q, want %q", got, test.wantName)
			}
			manifest, err := v1.ParseManifest(bytes.NewReader(files[blob(index.Manifests[0].Digest)]))
			if err != nil {
				t.Fatal(err)
			}
			for _, descriptor := range append(manifest.Layers, manifest.Config, index.Manifests[0]) {
				hash, size, err := v1.SHA256(bytes.NewReader(files[blob(descriptor.Digest)]))
				if err != nil || hash != descriptor.Digest || size != descriptor.Size {
					t.Errorf("the blob of %s has digest %s and %d bytes, want %d", descriptor.Digest, hash,
						size, descriptor.Size)
				}
			}
			if got := string(manifest.Layers[0].MediaType); got != test.wantLayer {
				t.Errorf("the layer is %s, want %s", got, test.wantLayer)
			}
		})
	}
}

func TestLibrariesAreReadFromWhatTheLinkerPrints(t *testing.T) {
	const output = `/usr/lib/postgresql/15/bin/postgres:
	linux-vdso.so.1 (0x00007ffc)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)
	/lib64/ld-linux-x86-64.so.2 (0x00007f)
/usr/lib/postgresql/15/bin/psql:
	libpq.so.5 => /lib/x86_64-linux-gnu/libpq.so.5 (0x00007f)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)
	statically linked
`
	want := "/lib/x86_64-linux-gnu/libc.so.6 /lib/x86_64-linux-gnu/libpq.so.5 /lib64/ld-linux-x86-64.so.2"
	if got := strings.Join(libraries(output), " "); got != want {
		t.Errorf("libraries = %s, want %s", got, want)
	}
}
