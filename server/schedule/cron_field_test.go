package schedule

import (
	"strings"
	"testing"
)

func TestExtensionsOfCronAreRefusedWithWhatMeansTheSame(t *testing.T) {
	for cron, want := range map[string]string{
		"0 0 L * *":       "write rrule: FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=0;BYMINUTE=0",
		"0 0 L-2 * *":     "write rrule: FREQ=MONTHLY;BYMONTHDAY=-3;BYHOUR=0;BYMINUTE=0",
		"0 0 LW * *":      "write rrule: FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=0;BYMINUTE=0",
		"0 0 15W * *":     `no "15W", which is an extension of cron`,
		"0 0 * * 5#2":     "write rrule: FREQ=MONTHLY;BYDAY=2FR;BYHOUR=0;BYMINUTE=0",
		"0 0 * * fri#2":   "write rrule: FREQ=MONTHLY;BYDAY=2FR;BYHOUR=0;BYMINUTE=0",
		"0 0 * * 1L":      "write rrule: FREQ=MONTHLY;BYDAY=-1MO;BYHOUR=0;BYMINUTE=0",
		"H 5 * * *":       "write a number, and jitter_seconds to spread the load",
		"H/15 5 * * *":    "write a number, and jitter_seconds to spread the load",
		"0 22-23/2 * * *": "22-23/2 is only its first value: write 22",
		"0 */24 * * *":    "*/24 is only its first value: write 0",
		"*/60 * * * *":    "*/60 is only its first value: write 0",
	} {
		_, err := Parse(Spec{Cron: cron})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", cron, err, want)
		}
	}
	for _, cron := range []string{"0 0 * * *", "*/59 * * * *", "0-30/30 * * * *", "0 0 1,15 * 1-5"} {
		if _, err := Parse(Spec{Cron: cron}); err != nil || PlainCron(cron) != cron {
			t.Errorf("%s: %v, plain %s", cron, err, PlainCron(cron))
		}
	}
}

func TestTheSuggestedRulesAreTaken(t *testing.T) {
	for _, cron := range []string{"0 0 L * *", "0 0 L-2 * *", "0 0 LW * *", "0 0 * * 5#2", "0 0 * * 1L"} {
		_, err := Parse(Spec{Cron: cron})
		_, rule, ok := strings.Cut(err.Error(), "write rrule: ")
		if _, err := Parse(Spec{RRule: rule}); !ok || err != nil {
			t.Errorf("%s: %q: %v", cron, rule, err)
		}
	}
}

func TestARuleThatCountsNeedsABeginning(t *testing.T) {
	const rule = "FREQ=DAILY;COUNT=7;BYHOUR=9"
	if _, err := Parse(Spec{RRule: rule}); err == nil ||
		!strings.Contains(err.Error(), "a DTSTART line, or an anchor, to count COUNT=7 from") {
		t.Errorf("got %v", err)
	}
	if _, err := Parse(Spec{RRule: "DTSTART:20260101T000000Z\nRRULE:" + rule}); err != nil {
		t.Errorf("with a DTSTART: %v", err)
	}
}

func TestTimeZonesOfTheHostAreRefused(t *testing.T) {
	for _, zone := range []string{"localtime", "posixrules", "right/Europe/Berlin", "posix/UTC", "Local"} {
		if _, err := Parse(Spec{Cron: "0 0 * * *", Timezone: zone}); err == nil {
			t.Errorf("%s is taken", zone)
		}
	}
}

func TestEveryMinuteIsOneMinute(t *testing.T) {
	if got := Describe(Spec{Cron: "*/1 * * * *"}); got != "every minute UTC" {
		t.Errorf("got %s", got)
	}
}
