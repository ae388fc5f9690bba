package archive

import (
	"fmt"
	"os"
	"testing"

	"github.com/berth-dev/berth/internal/s3test"
)

func TestMain(m *testing.M) {
	if err := s3test.SetCredentials(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
