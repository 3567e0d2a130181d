use infisical::{secrets::*, AuthMethod, Client, InfisicalError};
use std::env::var;

fn say<T: std::fmt::Debug + PartialEq>(name: &str, found: Result<T, InfisicalError>, wanted: T) {
    match found {
        Ok(found) if found == wanted => println!("ok {name}"),
        other => println!("not ok {name}: {other:?}"),
    }
}

#[tokio::main]
async fn main() {
    let (url, project) = (var("KMS_URL").unwrap(), var("KMS_PROJECT_ID").unwrap());
    let mut client = Client::builder().base_url(&url).build().await.unwrap();
    let login = client.login(AuthMethod::new_universal_auth(var("KMS_CLIENT_ID").unwrap(), var("KMS_CLIENT_SECRET").unwrap())).await;
    say("login", login, ());
    let made = client.secrets().create(CreateSecretRequest::builder("RUST", "first", &project, "dev").path("/").secret_comment("of rust").build()).await;
    say("create", made.map(|s| (s.secret_key, s.secret_value, s.secret_comment, s.version)), ("RUST".into(), "first".into(), "of rust".into(), 1));
    let got = client.secrets().get(GetSecretRequest::builder("RUST", &project, "dev").path("/").build()).await;
    say("get", got.map(|s| (s.secret_value, s.project_id, s.secret_type)), ("first".into(), project.clone(), "shared".into()));
    let changed = client.secrets().update(UpdateSecretRequest::builder("RUST", &project, "dev").path("/").secret_value("second").secret_comment("changed").build()).await;
    say("update", changed.map(|s| (s.secret_value, s.secret_comment, s.version)), ("second".into(), "changed".into(), 2));
    let renamed = client.secrets().update(UpdateSecretRequest::builder("RUST", &project, "dev").new_secret_name("RUSTY").build()).await;
    say("rename", renamed.map(|s| s.secret_key), "RUSTY".into());
    let listed = client.secrets().list(ListSecretsRequest::builder(&project, "dev").path("/").recursive(true).expand_secret_references(true).build()).await;
    say("list", listed.map(|l| { let mut k: Vec<String> = l.into_iter().map(|s| format!("{}={}", s.secret_key, s.secret_value)).filter(|s| s.starts_with("RUSTY") || s.starts_with("REFERS") || s.starts_with("NESTED")).collect(); k.sort(); k.join(" ") }), "NESTED=nested REFERS=nested! RUSTY=second".into());
    let deleted = client.secrets().delete(DeleteSecretRequest::builder("RUSTY", &project, "dev").path("/").build()).await;
    say("delete", deleted.map(|s| s.secret_key), "RUSTY".into());
    match client.secrets().get(GetSecretRequest::builder("RUSTY", &project, "dev").build()).await {
        Err(InfisicalError::HttpError { status, message }) if status.as_u16() == 404 => println!("ok an absent secret is refused: {message}"),
        other => println!("not ok absent: {other:?}"),
    }
}
