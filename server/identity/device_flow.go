package identity

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/berth-dev/berth/server/openid"
)

// Server and command line share the device flow: the command line shows the code and waits, the server talks
// to the provider. So only the server needs to reach the provider and to be registered there, its client
// secret never leaves it, and no ID token travels that another program could have got for another purpose.
// Nothing is stored before a person has signed in: the device code is with the command line.

// defaultInterval is the pause between polls if the provider names none (RFC 8628, 3.5).
const defaultInterval = 5 * time.Second

// Device is a device flow that was begun.
type Device struct {
	Code            string // for polling; secret
	UserCode        string // that the person types in
	VerificationURL string // where the person types it in
	CompleteURL     string // the same with the code; may be empty
	ExpiresIn       time.Duration
	Interval        time.Duration
}

// HasDeviceFlow reports whether the provider offers the device flow.
func (s *Service) HasDeviceFlow(ctx context.Context) (bool, error) {
	d, err := s.provider.discover(ctx)
	return err == nil && d.deviceURL != "", err
}

// StartDevice begins a device flow.
func (s *Service) StartDevice(ctx context.Context) (Device, error) {
	d, err := s.provider.discover(ctx)
	if err != nil {
		return Device{}, err
	}
	if d.deviceURL == "" {
		return Device{}, &ProviderError{Name: s.config.ProviderName(),
			Detail: "it has no device flow, so that the command line cannot sign in; use an API key"}
	}
	client := s.config.DeviceClient
	var options []oauth2.AuthCodeOption
	if client.Secret != "" { // the library authenticates the client only at the token endpoint
		options = append(options, oauth2.SetAuthURLParam("client_secret", client.Secret))
	}
	response, err := s.provider.oauth(d, client).DeviceAuth(s.provider.with(ctx), options...)
	if err != nil {
		return Device{}, s.provider.failed("begin the device flow", err)
	}
	device := Device{
		Code: response.DeviceCode, UserCode: response.UserCode, VerificationURL: response.VerificationURI,
		CompleteURL: response.VerificationURIComplete, ExpiresIn: time.Until(response.Expiry),
		Interval: time.Duration(response.Interval) * time.Second,
	}
	if device.Interval <= 0 || device.Interval > time.Minute {
		device.Interval = defaultInterval
	}
	if device.Code == "" || device.UserCode == "" || openid.CheckURL(device.VerificationURL) != nil {
		return Device{}, &ProviderError{Name: s.config.ProviderName(),
			Detail: "it answered the device flow without a code or without an address for the browser"}
	}
	if device.CompleteURL != "" && openid.CheckURL(device.CompleteURL) != nil {
		device.CompleteURL = ""
	}
	return device, nil
}

// ErrPending says that the person has not signed in yet, ErrSlowDown that the client must also poll less often.
var (
	ErrPending  = errors.New("the person has not signed in yet")
	ErrSlowDown = errors.New("poll less often")
)

// PollDevice asks once whether the person has signed in, and returns who it is.
func (s *Service) PollDevice(ctx context.Context, code string) (SignIn, error) {
	d, err := s.provider.discover(ctx)
	if err != nil {
		return SignIn{}, err
	}
	// The library's own polling blocks until the person has signed in. One poll is an exchange with another
	// grant type.
	token, err := s.provider.oauth(d, s.config.DeviceClient).Exchange(s.provider.with(ctx), "",
		oauth2.SetAuthURLParam("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
		oauth2.SetAuthURLParam("device_code", code))
	if err != nil {
		return SignIn{}, s.pollError(err)
	}
	return s.admit(ctx, d, tokens{Token: token, client: s.config.DeviceClient})
}

func (s *Service) pollError(err error) error {
	failed := s.provider.failed("ask for the device flow", err)
	var answered *ProviderError
	if !errors.As(failed, &answered) {
		return failed
	}
	switch answered.Code {
	case "authorization_pending":
		return ErrPending
	case "slow_down":
		return ErrSlowDown
	case "access_denied":
		return &RefusedError{Reason: "the sign-in was denied at " + s.config.ProviderName()}
	case "expired_token", "invalid_grant":
		return &RefusedError{Reason: "the code has expired or was used; start again with berth login"}
	}
	return failed
}
