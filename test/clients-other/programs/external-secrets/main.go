// External Secrets Operator's provider for Infisical, with a cluster that is pretended. One line a step: `ok NAME`, or `not ok NAME: why`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	esv1 "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	esmeta "github.com/external-secrets/external-secrets/apis/meta/v1"
	"github.com/external-secrets/external-secrets/pkg/provider/infisical"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func step(name string, run func() error) {
	if err := run(); err != nil {
		fmt.Printf("not ok %s: %v\n", name, err)
		return
	}
	fmt.Println("ok " + name)
}

func main() {
	ctx := context.Background()
	kube := fake.NewClientBuilder().WithObjects(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "kms", Namespace: "apps"},
		Data:       map[string][]byte{"id": []byte(os.Getenv("KMS_CLIENT_ID")), "secret": []byte(os.Getenv("KMS_CLIENT_SECRET"))},
	}).Build()
	store := &esv1.SecretStore{
		TypeMeta:   metav1.TypeMeta{Kind: "SecretStore", APIVersion: "external-secrets.io/v1"},
		ObjectMeta: metav1.ObjectMeta{Name: "kms", Namespace: "apps"},
		Spec: esv1.SecretStoreSpec{Provider: &esv1.SecretStoreProvider{Infisical: &esv1.InfisicalProvider{
			HostAPI: os.Getenv("KMS_URL"),
			Auth: esv1.InfisicalAuth{UniversalAuthCredentials: &esv1.UniversalAuthCredentials{
				ClientID:     esmeta.SecretKeySelector{Name: "kms", Key: "id"},
				ClientSecret: esmeta.SecretKeySelector{Name: "kms", Key: "secret"},
			}},
			SecretsScope: esv1.MachineIdentityScopeInWorkspace{
				SecretsPath: "/", Recursive: true, EnvironmentSlug: "dev",
				ProjectSlug: os.Getenv("KMS_PROJECT_SLUG"), ExpandSecretReferences: true,
			},
		}}},
	}
	var client esv1.SecretsClient
	step("the store validates", func() error {
		_, err := (&infisical.Provider{}).ValidateStore(store)
		return err
	})
	step("login", func() (err error) {
		client, err = (&infisical.Provider{}).NewClient(ctx, store, kube, "apps")
		return err
	})
	step("the client validates", func() error {
		result, err := client.Validate()
		if err == nil && result != esv1.ValidationResultReady {
			return fmt.Errorf("%v", result)
		}
		return err
	})
	step("one secret", func() error {
		value, err := client.GetSecret(ctx, esv1.ExternalSecretDataRemoteRef{Key: "SEEDED"})
		if err == nil && string(value) != "seeded" {
			return errors.New(string(value))
		}
		return err
	})
	step("a property of a secret", func() error {
		value, err := client.GetSecret(ctx, esv1.ExternalSecretDataRemoteRef{Key: "SEEDED_JSON", Property: "a.b"})
		if err == nil && string(value) != "deep" {
			return errors.New(string(value))
		}
		return err
	})
	step("a secret as a map", func() error {
		values, err := client.GetSecretMap(ctx, esv1.ExternalSecretDataRemoteRef{Key: "SEEDED_JSON"})
		if err == nil && string(values["c"]) != "flat" {
			return fmt.Errorf("%s", values)
		}
		return err
	})
	step("all secrets", func() error {
		values, err := client.GetAllSecrets(ctx, esv1.ExternalSecretFind{})
		if err == nil && (string(values["SEEDED"]) != "seeded" || string(values["NESTED"]) != "nested" || string(values["REFERS"]) != "nested!") {
			return fmt.Errorf("%s", values)
		}
		return err
	})
	step("secrets by name", func() error {
		values, err := client.GetAllSecrets(ctx, esv1.ExternalSecretFind{Name: &esv1.FindName{RegExp: "^NEST"}})
		if err == nil && (len(values) != 1 || string(values["NESTED"]) != "nested") {
			return fmt.Errorf("%s", values)
		}
		return err
	})
	step("an absent secret is told apart", func() error {
		_, err := client.GetSecret(ctx, esv1.ExternalSecretDataRemoteRef{Key: "ABSENT"})
		if !errors.Is(err, esv1.NoSecretError{}) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	step("the token is revoked", func() error { return client.Close(ctx) })
}
