package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/e2e/cluster/image"
)

// imageCommand packs the product's image, or writes what is in it for a Dockerfile to copy.
func imageCommand() *cobra.Command {
	var program, version, output, rootfs string
	command := &cobra.Command{
		Use:   "image --binary FILE (--output ARCHIVE | --rootfs DIRECTORY)",
		Short: "Pack the product's image as an archive, without a container engine; print its name and digest",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if program == "" || (output == "") == (rootfs == "") {
				return usageError{errors.New("--binary is needed, and one of --output and --rootfs")}
			}
			spec, err := image.Berth(cmd.Context(), program, version)
			if err != nil {
				return err
			}
			if rootfs != "" {
				return writeRootfs(rootfs, spec)
			}
			return writeArchive(cmd.Context(), cmd.OutOrStdout(), output, spec)
		},
	}
	command.Flags().StringVar(&program, "binary", "", "the static program to pack")
	command.Flags().StringVar(&version, "version", "dev", "the image's tag")
	command.Flags().StringVar(&output, "output", "", "the archive to write")
	command.Flags().StringVar(&rootfs, "rootfs", "", "write the image's files below this directory instead")
	return command
}

// writeArchive writes the archive as a whole or not at all.
func writeArchive(ctx context.Context, out io.Writer, path string, spec image.Spec) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	defer os.Remove(file.Name()) // in vain once it has its name
	defer file.Close()
	digest, err := spec.Write(file)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Chmod(0o644), file.Close(), ctx.Err()); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	fmt.Fprintf(out, "%s@%s\n", spec.Reference, digest)
	return nil
}

func writeRootfs(path string, spec image.Spec) error {
	for _, layer := range spec.Layers {
		if err := layer.Write(path); err != nil {
			return err
		}
	}
	return nil
}
