package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	// putAtOnce is the largest object that is sent in one request; a larger one is sent in parts of partSize, of
	// which there may be 10,000. Both are held in memory.
	putAtOnce = 2 << 20
	partSize  = 16 << 20
	// requestTries bounds how often a request is sent; the archiver tries again later in any case.
	requestTries   = 3
	defaultRegion  = "us-east-1"
	defaultService = "https://s3.amazonaws.com"
)

// s3 is a bucket of a storage that speaks the S3 protocol.
type s3 struct {
	client         *minio.Core
	bucket, prefix string
	service        string
}

func openS3(c Config, address *url.URL) (*s3, error) {
	b := &s3{bucket: address.Host, prefix: cleanPrefix(address.Path), service: c.Endpoint}
	if b.service == "" {
		b.service = defaultService
	}
	endpoint, err := url.Parse(b.service)
	if err != nil || endpoint.Host == "" || endpoint.Path != "" && endpoint.Path != "/" ||
		endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, fmt.Errorf("invalid endpoint %q: want https://HOST[:PORT]", c.Endpoint)
	}
	region := c.Region
	if region == "" && c.Endpoint != "" {
		region = defaultRegion // most other storages have no regions, and take this one
	}
	secure := endpoint.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupAuto
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	found := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Transport: transport}}, // IRSA, EKS pod identity, ECS, EC2
	})
	if c.AccessKeyID != "" {
		found = credentials.NewStaticV4(c.AccessKeyID, c.SecretAccessKey, "")
	}
	b.client, err = minio.NewCore(endpoint.Host, &minio.Options{
		Creds:  found,
		Secure: secure, Region: region, BucketLookup: lookup, Transport: transport, MaxRetries: requestTries,
	})
	if err != nil {
		return nil, fmt.Errorf("invalid output archive %s: %w", c.URL, err)
	}
	return b, nil
}

func (b *s3) String() string { return "s3://" + b.bucket + "/" + b.prefix + " at " + b.service }

// Put sends small objects in one request and others in parts.
func (b *s3) Put(ctx context.Context, key string, content io.Reader) error {
	var head bytes.Buffer
	if _, err := io.CopyN(&head, content, putAtOnce); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	// The object is read back after it was stored; the MD5 lets the storage refuse what arrived damaged.
	options := minio.PutObjectOptions{ContentType: "application/zstd", SendContentMd5: true}
	var err error
	if head.Len() < putAtOnce {
		_, err = b.client.Client.PutObject(ctx, b.bucket, b.prefix+key, bytes.NewReader(head.Bytes()), int64(head.Len()), options)
	} else {
		options.PartSize, options.NumThreads = partSize, 1
		_, err = b.client.Client.PutObject(ctx, b.bucket, b.prefix+key, io.MultiReader(&head, content), -1, options)
	}
	return b.explain(err)
}

// Open reads a part of an object.
func (b *s3) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	var options minio.GetObjectOptions
	if err := options.SetRange(offset, offset+length-1); err != nil {
		return nil, err
	}
	content, _, _, err := b.client.GetObject(ctx, b.bucket, b.prefix+key, options)
	if err != nil {
		return nil, b.explain(err)
	}
	return content, nil
}

// Delete removes an object. The storage does not say whether there was one.
func (b *s3) Delete(ctx context.Context, key string) error {
	return b.explain(b.client.RemoveObject(ctx, b.bucket, b.prefix+key, minio.RemoveObjectOptions{}))
}

// Discard also aborts uploads in parts, which would be stored for ever otherwise.
func (b *s3) Discard(ctx context.Context, key string) error {
	if err := b.client.RemoveIncompleteUpload(ctx, b.bucket, b.prefix+key); err != nil &&
		minio.ToErrorResponse(err).Code != minio.NotImplemented {
		return b.explain(err)
	}
	return b.Delete(ctx, key)
}

// explain says what an error of the storage means for the operator.
func (b *s3) explain(err error) error {
	if err == nil {
		return nil
	}
	response := minio.ToErrorResponse(err)
	switch response.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case minio.InvalidRange:
		return damaged("it is shorter than when it was stored")
	case minio.NoSuchBucket:
		return fmt.Errorf("the bucket %q does not exist at %s: create it, or correct --output-archive: %w", b.bucket,
			b.service, err)
	case minio.InvalidAccessKeyID, minio.SignatureDoesNotMatch, "InvalidClientTokenId", "ExpiredToken":
		return fmt.Errorf("%s refuses the credentials of the server: check AWS_ACCESS_KEY_ID and "+
			"AWS_SECRET_ACCESS_KEY, or the role of the server: %w", b.service, err)
	case minio.AccessDenied, "AllAccessDisabled", "AccountProblem":
		return fmt.Errorf("%s denies access to the bucket %q: the server needs s3:PutObject, s3:GetObject, "+
			"s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucketMultipartUploads: %w", b.service, b.bucket, err)
	}
	return fmt.Errorf("%s: %w", b.service, err)
}
