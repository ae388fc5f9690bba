package charts

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestTheOutputArchiveReachesTheServer(t *testing.T) {
	objects := render(t, `
server:
  outputArchive:
    url: s3://outputs/berth
    endpoint: https://storage.example.com
    region: eu-1
    pathStyle: true
    existingSecret: storage
    secretAccessKeyKey: secret
`)
	server := container(t, objects, "rel-berth-server")
	for _, want := range []string{
		"--output-archive=s3://outputs/berth", "--output-archive-endpoint=https://storage.example.com",
		"--output-archive-region=eu-1", "--output-archive-path-style", "--protect=secret/storage",
	} {
		if !slices.Contains(server.Args, want) {
			t.Errorf("the server has no %s: %v", want, server.Args)
		}
	}
	for name, key := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		wantSetting(t, objects, "rel-berth-server", name, "storage", key)
	}
}

func TestAVolumeCanBeTheOutputArchive(t *testing.T) {
	objects := render(t, "server: {outputArchive: {existingClaim: outputs}}")
	server := container(t, objects, "rel-berth-server")
	for _, want := range []string{
		"--output-archive=file:///var/lib/berth-output", "--protect=persistentvolumeclaim/outputs",
	} {
		if !slices.Contains(server.Args, want) {
			t.Errorf("the server has no %s: %v", want, server.Args)
		}
	}
	if !slices.ContainsFunc(server.VolumeMounts, func(m corev1.VolumeMount) bool {
		return m.Name == "output" && m.MountPath == "/var/lib/berth-output"
	}) {
		t.Errorf("the server mounts %v", server.VolumeMounts)
	}
}
