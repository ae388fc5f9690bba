package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A Spec is an image before it is packed.
type Spec struct {
	// Reference is the image's full name, with the registry's part and a tag.
	Reference string
	// Layers are stacked in this order; what changes least comes first.
	Layers []Tree
	// Config says how the image runs.
	Config v1.Config
	// Compress makes the archive small instead of quick.
	Compress bool
}

// created is the time that every image claims to be made at: the same content is the same image.
func created() time.Time { return time.Unix(0, 0).UTC() }

// Write packs the image for the architecture of this program and writes it as an archive that both
// conventions can be read from, as current docker engines write it: an OCI layout (for containerd, podman,
// skopeo) that also holds the manifest.json of docker load. It returns the digest of the image's manifest.
func (s Spec) Write(w io.Writer) (digest string, err error) {
	reference, err := name.NewTag(s.Reference, name.StrictValidation)
	if err != nil {
		return "", fmt.Errorf("name of image: %w", err)
	}
	image, err := s.build()
	if err != nil {
		return "", fmt.Errorf("build image %s: %w", s.Reference, err)
	}
	hash, err := writeArchive(w, reference, image)
	if err != nil {
		return "", fmt.Errorf("write image %s: %w", s.Reference, err)
	}
	return hash, nil
}

func (s Spec) build() (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		types.OCIConfigJSON)
	for _, tree := range s.Layers {
		layer, err := s.layer(tree)
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Created = v1.Time{Time: created()}
	file.Config = s.Config
	return mutate.ConfigFile(image, file)
}

func (s Spec) layer(tree Tree) (v1.Layer, error) {
	packed, err := tree.Tar(created())
	if err != nil {
		return nil, err
	}
	if !s.Compress {
		return static.NewLayer(packed, types.OCIUncompressedLayer), nil
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil }
	return tarball.LayerFromOpener(opener, tarball.WithMediaType(types.OCILayer))
}

// writeArchive writes the tar archive: layout file, blobs, and the two indexes that lead to them.
func writeArchive(w io.Writer, reference name.Tag, image v1.Image) (digest string, err error) {
	hash, err := image.Digest()
	if err != nil {
		return "", err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return "", err
	}
	rawManifest, err := image.RawManifest()
	if err != nil {
		return "", err
	}
	rawConfig, err := image.RawConfigFile()
	if err != nil {
		return "", err
	}
	archive := archiveWriter{tar: tar.NewWriter(w), written: map[string]bool{}}
	archive.add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	archive.add(blob(manifest.Config.Digest), rawConfig)
	for _, descriptor := range manifest.Layers {
		archive.addLayer(image, descriptor)
	}
	archive.add(blob(hash), rawManifest)
	archive.addJSON("index.json", ociIndex(reference, hash, int64(len(rawManifest)), manifest.MediaType))
	archive.addJSON("manifest.json", dockerIndex(reference, manifest))
	return hash.String(), archive.close()
}

// ociIndex leads to the image's manifest, under the annotations that containerd and the OCI layout look for
// names in.
func ociIndex(reference name.Tag, hash v1.Hash, size int64, mediaType types.MediaType) v1.IndexManifest {
	return v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Manifests: []v1.Descriptor{{
			MediaType: mediaType, Digest: hash, Size: size,
			Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH},
			Annotations: map[string]string{
				"io.containerd.image.name":          canonical(reference),
				"org.opencontainers.image.ref.name": reference.TagStr(),
			},
		}},
	}
}

// dockerIndex is what docker load reads.
func dockerIndex(reference name.Tag, manifest *v1.Manifest) tarball.Manifest {
	entry := tarball.Descriptor{
		Config:   blob(manifest.Config.Digest),
		RepoTags: []string{canonical(reference)},
	}
	for _, layer := range manifest.Layers {
		entry.Layers = append(entry.Layers, blob(layer.Digest))
	}
	return tarball.Manifest{entry}
}

// canonical is the name with the registry's part that Kubernetes' runtimes resolve short names to.
func canonical(reference name.Tag) string {
	registry := reference.RegistryStr()
	if registry == name.DefaultRegistry {
		registry = "docker.io"
	}
	return registry + "/" + reference.RepositoryStr() + ":" + reference.TagStr()
}

func blob(hash v1.Hash) string { return "blobs/" + hash.Algorithm + "/" + hash.Hex }

// An archiveWriter adds files to a tar archive and keeps the first error for the end.
type archiveWriter struct {
	tar     *tar.Writer
	written map[string]bool
	err     error
}

func (a *archiveWriter) add(name string, data []byte) {
	if a.err != nil || a.written[name] {
		return
	}
	a.written[name] = true
	header := &tar.Header{
		Name:    name,
		Mode:    0o644,
		Size:    int64(len(data)),
		ModTime: created(),
		Format:  tar.FormatUSTAR,
	}
	if a.err = a.tar.WriteHeader(header); a.err == nil {
		_, a.err = a.tar.Write(data)
	}
}

func (a *archiveWriter) addJSON(name string, value any) {
	data, err := json.Marshal(value)
	if err != nil && a.err == nil {
		a.err = err
	}
	a.add(name, data)
}

func (a *archiveWriter) addLayer(image v1.Image, descriptor v1.Descriptor) {
	if a.err != nil {
		return
	}
	layer, err := image.LayerByDigest(descriptor.Digest)
	if err != nil {
		a.err = err
		return
	}
	reader, err := layer.Compressed()
	if err != nil {
		a.err = err
		return
	}
	defer reader.Close()
	data, err := io.ReadAll(reader)
	if err != nil {
		a.err = err
		return
	}
	a.add(blob(descriptor.Digest), data)
}

func (a *archiveWriter) close() error {
	if err := a.tar.Close(); a.err == nil {
		a.err = err
	}
	return a.err
}
