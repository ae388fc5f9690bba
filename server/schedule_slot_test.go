package server_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

func TestC1PlannedSlotsAreThoseOfThePreview(t *testing.T) {
	t.Parallel()
	r := start(t)
	const times = `"cron":"30 2 * * *","timezone":"Europe/Berlin"`
	r.deploy("etl", `,"tags":["nightly"],"schedules":[{"name":"night",`+times+`},{"name":"often","cron":"* * * * *"}]`)
	// Winter time begins on 25 October 2026, summer time on 28 March 2027.
	for _, from := range []string{"2026-10-20T00:00:00Z", "2027-03-20T00:00:00Z"} {
		at, err := time.Parse(time.RFC3339, from)
		if err != nil {
			t.Fatal(err)
		}
		at = at.AddDate(time.Now().Year()-2026+1, 0, 0)
		preview := read[api.SchedulePreview](r.call(http.MethodPost, "/api/v1/schedules/preview",
			`{"count":14,"after":"`+at.Format(time.RFC3339)+`","schedule":{"name":"night",`+times+`}}`).is(http.StatusOK))
		list := read[api.ScheduleSlotsList](r.call(http.MethodGet, "/api/v1/schedules/slots?tag=nightly&pool=local&deployment=etl&from="+
			param(at)+"&to="+param(at.AddDate(0, 0, 14)), "").is(http.StatusOK))
		if len(list.Items) != 2 || list.Items[0].Name != "night" || list.Items[0].Timezone != "Europe/Berlin" {
			t.Fatalf("got %+v", list)
		}
		var planned []time.Time
		for _, slot := range list.Items[0].Slots {
			if slot.Outcome != "planned" {
				t.Errorf("%+v", slot)
			}
			planned = append(planned, slot.At)
		}
		if !slices.EqualFunc(planned, preview.Next, time.Time.Equal) {
			t.Errorf("got %v, the preview says %v", planned, preview.Next)
		}
		often := list.Items[1]
		if len(often.Slots) != 0 || len(often.Hours) != 14*24 || often.Hours[5].Slots != 60 || often.Hours[5].Planned != 60 {
			t.Errorf("every minute: %d slots, %d hours", len(often.Slots), len(often.Hours))
		}
	}
	none := read[api.ScheduleSlotsList](r.call(http.MethodGet, "/api/v1/schedules/slots?tag=daily", "").is(http.StatusOK))
	if len(none.Items) != 0 {
		t.Errorf("another tag has %+v", none.Items)
	}
	first := read[api.ScheduleSlotsList](r.call(http.MethodGet, "/api/v1/schedules/slots?limit=1", "").is(http.StatusOK))
	if len(first.Items) != 1 || first.NextCursor == nil {
		t.Errorf("a page of one: %+v", first)
	}
	for _, query := range []string{"from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from=2026-01-02T00:00:00Z&to=2026-03-01T00:00:00Z"} {
		r.call(http.MethodGet, "/api/v1/schedules/slots?"+query, "").is(http.StatusBadRequest)
	}
}

func TestPauseOfAScheduleSaysWhoWhenAndWhy(t *testing.T) {
	t.Parallel()
	r := start(t)
	const one = `,"schedules":[{"name":"often","interval_seconds":3600}]`
	r.deploy("etl", one)
	const path = "/api/v1/deployments/etl/schedules/often"
	r.call(http.MethodPatch, path, `{"active":true,"pause_reason":"no"}`).refused(http.StatusBadRequest, "invalid-body", "/pause_reason")
	paused := read[api.Schedule](r.call(http.MethodPatch, path, `{"active":false,"pause_reason":"a holiday"}`).is(http.StatusOK))
	if paused.Pause == nil || paused.Pause.Reason == nil || *paused.Pause.Reason != "a holiday" || paused.Pause.By == "" {
		t.Fatalf("got %+v", paused.Pause)
	}
	again := read[api.Schedule](r.call(http.MethodPatch, path, `{"active":false}`).is(http.StatusOK))
	if again.Pause == nil || !again.Pause.At.Equal(paused.Pause.At) || *again.Pause.Reason != "a holiday" {
		t.Errorf("paused again without a reason: %+v", again.Pause)
	}
	r.deploy("etl", one) // says nothing of the pause
	list := read[api.ScheduleSlotsList](r.call(http.MethodGet, "/api/v1/schedules/slots", "").is(http.StatusOK)).Items
	if len(list) != 1 || list[0].Pause == nil || len(list[0].Slots) == 0 {
		t.Fatalf("got %+v", list)
	}
	for _, slot := range list[0].Slots {
		if slot.Outcome != "paused" || slot.Reason == nil || *slot.Reason != "paused by "+paused.Pause.By+": a holiday" {
			t.Errorf("got %+v", slot)
		}
	}
	resumed := read[api.Schedule](r.call(http.MethodPatch, path, `{"active":true}`).is(http.StatusOK))
	if resumed.Pause != nil || !resumed.Active {
		t.Errorf("resumed: %+v", resumed.Pause)
	}
	key := r.makeKey("limited", api.RoleViewer, "elsewhere")
	if items := read[api.ScheduleSlotsList](r.send(r.request(key, http.MethodGet, "/api/v1/schedules/slots", "")).is(http.StatusOK)).Items; len(items) != 0 {
		t.Errorf("a key of another pool sees %+v", items)
	}
}
