package image

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// NonRoot is the UID of images that need no particular user.
const NonRoot = 65532

// Program describes an image that holds a single static program, at /name, and runs it.
func Program(reference, name, source string) (Spec, error) {
	tree := Tree{}
	if err := tree.CopyFile(name, source, 0o755); err != nil {
		return Spec{}, err
	}
	return Spec{
		Reference: reference,
		Layers:    []Tree{tree},
		Config:    v1.Config{Entrypoint: []string{"/" + name}, User: "65532:65532"},
	}, nil
}
