package flagset

import "github.com/spf13/pflag"

// WebhookAllow adds the flag for the hosts that webhooks may call.
func WebhookAllow(flags *pflag.FlagSet, hosts *[]string) {
	flags.StringSliceVar(hosts, "webhook-allow", nil,
		"host that webhooks may call, at public addresses: HOST[:PORT], *.DOMAIN or *; HOST[:PORT]=CIDR or CIDR for others; "+
			"http:// before it allows calls without TLS (repeatable; default: none)")
}
