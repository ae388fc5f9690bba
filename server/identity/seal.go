package identity

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/seal"
)

const (
	sealInfo    = "berth session refresh token"
	sealKeySize = 32
)

// sealToken encrypts a refresh token under the token of its session. The server stores only a hash of that token,
// so that it can decrypt the refresh token only while it answers a request of the session.
func sealToken(token apikey.Key, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	key, err := sealKey(token)
	if err != nil {
		return "", err
	}
	return key.Seal([]byte(text), token.ID)
}

// openToken decrypts what sealToken has encrypted.
func openToken(token apikey.Key, sealed string) (string, error) {
	key, err := sealKey(token)
	if err != nil {
		return "", err
	}
	text, err := key.Open(sealed, token.ID)
	if err != nil {
		return "", fmt.Errorf("decrypt the refresh token of session %s: %w", token.ID, err)
	}
	return string(text), nil
}

func sealKey(token apikey.Key) (seal.Key, error) {
	key, err := hkdf.Key(sha256.New, []byte(token.Secret), []byte(token.ID), sealInfo, sealKeySize)
	if err != nil {
		return seal.Key{}, fmt.Errorf("derive the key of a refresh token: %w", err)
	}
	return seal.New(key)
}
