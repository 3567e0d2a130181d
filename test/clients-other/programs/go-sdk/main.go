// Infisical's Go client as its users call it. One line a step: `ok NAME`, or `not ok NAME: why`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"

	infisical "github.com/infisical/go-sdk"
	sdkerrors "github.com/infisical/go-sdk/packages/errors"
)

var (
	project = os.Getenv("KMS_PROJECT_ID")
	slug    = os.Getenv("KMS_PROJECT_SLUG")
	url     = os.Getenv("KMS_URL")
)

func step(name string, run func() error) {
	if err := run(); err != nil {
		fmt.Printf("not ok %s: %v\n", name, err)
		return
	}
	fmt.Println("ok " + name)
}

func is(err error, found, wanted any) error {
	if err == nil && !reflect.DeepEqual(found, wanted) {
		return fmt.Errorf("%v, not %v", found, wanted)
	}
	return err
}

func refused(err error, status int) error {
	var failure *sdkerrors.APIError
	if !errors.As(err, &failure) {
		return fmt.Errorf("not refused: %v", err)
	}
	return is(nil, failure.StatusCode, status)
}

func newClient() infisical.InfisicalClientInterface {
	never := false
	return infisical.NewInfisicalClient(context.Background(), infisical.Config{SiteUrl: url, AutoTokenRefresh: &never, SilentMode: true})
}

func values(list []infisical.Secret) map[string]string {
	found := map[string]string{}
	for _, one := range list {
		found[one.SecretKey] = one.SecretValue
	}
	return found
}

func main() {
	client := newClient()
	secrets, folders := client.Secrets(), client.Folders()
	var etag, folder string

	step("login by universal auth", func() error {
		answer, err := client.Auth().UniversalAuthLogin(os.Getenv("KMS_CLIENT_ID"), os.Getenv("KMS_CLIENT_SECRET"))
		return is(err, answer.TokenType, "Bearer")
	})
	step("create", func() error {
		one, err := secrets.Create(infisical.CreateSecretOptions{ProjectID: project, Environment: "dev", SecretPath: "/", SecretKey: "GO", SecretValue: "first", SecretComment: "a comment"})
		return is(err, []any{one.SecretKey, one.Version, one.SecretComment, one.Workspace}, []any{"GO", 1, "a comment", project})
	})
	step("a second create is refused", func() error {
		_, err := secrets.Create(infisical.CreateSecretOptions{ProjectID: project, Environment: "dev", SecretKey: "GO", SecretValue: "again"})
		return refused(err, 409)
	})
	step("create several", func() error {
		list, err := secrets.Batch().Create(infisical.BatchCreateSecretsOptions{ProjectID: project, Environment: "dev", SecretPath: "/", Secrets: []infisical.BatchCreateSecret{
			{SecretKey: "GO_A", SecretValue: "a", SecretMetadata: []infisical.SecretMetadata{{Key: "owner", Value: "go"}}}, {SecretKey: "GO_B", SecretValue: "b"},
		}})
		return is(err, values(list), map[string]string{"GO_A": "a", "GO_B": "b"})
	})
	step("retrieve", func() error {
		one, err := secrets.Retrieve(infisical.RetrieveSecretOptions{ProjectID: project, Environment: "dev", SecretPath: "/", SecretKey: "GO"})
		return is(err, []any{one.SecretValue, one.Type, one.SecretPath}, []any{"first", "shared", "/"})
	})
	step("retrieve by the project's slug", func() error {
		one, err := secrets.Retrieve(infisical.RetrieveSecretOptions{ProjectSlug: slug, Environment: "dev", SecretKey: "GO"})
		return is(err, one.SecretValue, "first")
	})
	step("update", func() error {
		one, err := secrets.Update(infisical.UpdateSecretOptions{ProjectID: project, Environment: "dev", SecretKey: "GO", NewSecretValue: "second"})
		return is(err, []any{one.SecretValue, one.Version}, []any{"second", 2})
	})
	step("retrieve an earlier version", func() error {
		one, err := secrets.Retrieve(infisical.RetrieveSecretOptions{ProjectID: project, Environment: "dev", SecretKey: "GO", Version: 1})
		return is(err, one.SecretValue, "first")
	})
	step("retrieve an imported secret", func() error {
		one, err := secrets.Retrieve(infisical.RetrieveSecretOptions{ProjectID: project, Environment: "dev", SecretKey: "IMPORTED", IncludeImports: true})
		return is(err, one.SecretValue, "imported")
	})
	step("list with imports and references", func() error {
		list, err := secrets.ListSecrets(infisical.ListSecretsOptions{ProjectID: project, Environment: "dev", IncludeImports: true, ExpandSecretReferences: true})
		etag = list.ETag
		found := values(list.Secrets)
		return is(err, []string{found["GO"], found["IMPORTED"], found["REFERS"]}, []string{"second", "imported", "nested!"})
	})
	step("an unchanged list is told by its ETag", func() error {
		_, err := secrets.ListSecrets(infisical.ListSecretsOptions{ProjectID: project, Environment: "dev", IncludeImports: true, ExpandSecretReferences: true, IfNoneMatch: etag})
		var unchanged *sdkerrors.NotModifiedError
		if !errors.As(err, &unchanged) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	step("list recursively by the project's slug", func() error {
		list, err := secrets.List(infisical.ListSecretsOptions{ProjectSlug: slug, Environment: "dev", Recursive: true})
		return is(err, values(list)["NESTED"], "nested")
	})
	step("list tags and metadata", func() error {
		list, err := secrets.List(infisical.ListSecretsOptions{ProjectID: project, Environment: "dev"})
		found := map[string]string{}
		for _, one := range list {
			for _, tag := range one.Tags {
				found[one.SecretKey] = tag.Slug
			}
			for _, pair := range one.SecretMetadata {
				found[one.SecretKey] = pair.Value
			}
		}
		return is(err, found, map[string]string{"TAGGED": "blue", "GO_A": "go"})
	})
	step("delete", func() error {
		one, err := secrets.Delete(infisical.DeleteSecretOptions{ProjectID: project, Environment: "dev", SecretKey: "GO"})
		return is(err, one.SecretKey, "GO")
	})
	step("an absent secret is refused", func() error {
		_, err := secrets.Retrieve(infisical.RetrieveSecretOptions{ProjectID: project, Environment: "dev", SecretKey: "GO"})
		return refused(err, 404)
	})
	step("create a folder", func() error {
		one, err := folders.Create(infisical.CreateFolderOptions{ProjectID: project, Environment: "dev", Name: "go", Path: "/"})
		folder = one.ID
		return is(err, one.Name, "go")
	})
	step("rename a folder", func() error {
		one, err := folders.Update(infisical.UpdateFolderOptions{ProjectID: project, Environment: "dev", FolderID: folder, NewName: "golang", Path: "/"})
		return is(err, one.Name, "golang")
	})
	step("list folders", func() error {
		list, err := folders.List(infisical.ListFoldersOptions{ProjectID: project, Environment: "dev"})
		for _, one := range list {
			if one.Name == "golang" && !one.CreatedAt.IsZero() {
				return err
			}
		}
		return fmt.Errorf("%v %v", list, err)
	})
	step("delete a folder by name", func() error {
		one, err := folders.Delete(infisical.DeleteFolderOptions{ProjectID: project, Environment: "dev", FolderName: "golang", Path: "/"})
		return is(err, one.ID, folder)
	})
	step("a wrong secret is refused", func() error {
		_, err := newClient().Auth().UniversalAuthLogin(os.Getenv("KMS_CLIENT_ID"), "wrong")
		return refused(err, 401)
	})
	step("a login by a cloud that is not offered is refused", func() error {
		_, err := newClient().Auth().JwtAuthLogin(project, "a.b.c")
		return refused(err, 404)
	})
	step("a revoked token is refused", func() error {
		token := client.Auth().GetAccessToken()
		if err := client.Auth().RevokeAccessToken(); err != nil {
			return err
		}
		other := newClient()
		other.Auth().SetAccessToken(token)
		_, err := other.Secrets().List(infisical.ListSecretsOptions{ProjectID: project, Environment: "dev"})
		return refused(err, 401)
	})
}
