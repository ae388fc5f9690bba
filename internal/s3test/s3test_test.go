package s3test_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/berth-dev/berth/internal/s3test"
)

func TestTheStorageKeepsObjectsWhenItIsKilled(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t)
	client := g.Client(t)
	put := func(key string) error {
		_, err := client.PutObject(t.Context(), s3test.Bucket, key, strings.NewReader(key), int64(len(key)), minio.PutObjectOptions{})
		return err
	}
	if err := put("a/one"); err != nil {
		t.Fatal(err)
	}
	g.Kill(t)
	g.Restart(t)
	if err := put("a/two"); err != nil {
		t.Fatal(err)
	}
	if got := g.Files(t); !slices.Equal(got, []string{"a/one", "a/two"}) {
		t.Errorf("it holds %v", got)
	}
}

func TestFaultsHappenToTheRequestsThatATestChooses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault s3test.Fault
		kept  bool
	}{
		"a lost request is not seen":         {s3test.LoseRequest, false},
		"a lost answer was stored":           {s3test.LoseAnswer, true},
		"a request that was cut is not kept": {s3test.CutRequest(5), false},
		"a refusal":                          {s3test.Refuse(http.StatusForbidden, "AccessDenied"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := s3test.Start(t)
			g.SetFault(func(*http.Request) s3test.Fault { return test.fault })
			_, err := g.Client(t).PutObject(t.Context(), s3test.Bucket, "x", strings.NewReader("0123456789"), 10,
				minio.PutObjectOptions{})
			if err == nil {
				t.Error("it was stored without a fault")
			}
			if requests := g.Requests(); !slices.Contains(requests, "PUT /outputs/x") {
				t.Errorf("seen: %v", requests)
			}
			g.SetFault(nil)
			_, err = g.Client(t).StatObject(t.Context(), s3test.Bucket, "x", minio.StatObjectOptions{})
			if (err == nil) != test.kept {
				t.Errorf("it is there: %v", err)
			}
		})
	}
}
