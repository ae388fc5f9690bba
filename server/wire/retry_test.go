package wire_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/wire"
)

func TestARetryPolicyIsTheSameAfterBeingRead(t *testing.T) {
	for name, document := range map[string]string{
		"only a count":         `{"max":3,"delay_seconds":5}`,
		"backoff":              `{"max":3,"backoff":{"initial_seconds":0.5,"factor":3,"max_seconds":60,"jitter":0.1}}`,
		"exit codes and names": `{"max":1,"delay_seconds":0,"on":[137,"oom"]}`,
		"infrastructure":       `{"max":0,"delay_seconds":0,"infrastructure_max":0}`,
		"out of memory":        `{"max":0,"delay_seconds":0,"oom":{"max":2,"variable":"memory","factor":2,"max_value":"8Gi"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var sent api.RetryPolicy
			if err := json.Unmarshal([]byte(document), &sent); err != nil {
				t.Fatal(err)
			}
			if got := wire.RetryPolicy(wire.ReadRetryPolicy(sent)); !reflect.DeepEqual(got, sent) {
				shown, _ := json.Marshal(got)
				t.Errorf("got %s, want %s", shown, document)
			}
		})
	}
}
