//! Finds out whether there is a filter that a peer names.

use std::sync::Arc;
use std::time::Instant;

use heddle_resources::{Document, Kind};
use serde_json::Value;

use super::api::{CalicoApi, api_path, api_version, plural};
use super::backoff::Backoff;
use super::error::KubernetesError;
use super::hub::{self, Tie};
use super::server::{Server, form, with_query};
use super::slim::{Names, slim};
use super::value;
use crate::event::SourceEvent;

/// A list of one filter is not larger.
const MOST: usize = 4 << 20;

/// Asks for a filter by its name, until it is known whether there is one, and tells it. A role that permits lists permits this.
pub(super) async fn find_filter(hub: Tie, server: Server, calico: CalicoApi, name: Arc<str>) {
    let (mut errors, mut returns) = (Backoff::default(), hub.returns());
    loop {
        match ask(&server, calico, &name).await {
            Ok(Some(filter)) => return found(&hub, filter, calico, &name),
            // Without filters at all there is none of this name.
            Ok(None) | Err(KubernetesError::Refused { code: 404, .. }) => return hub.filter_absent(&name),
            Err(error) => hub::pause(errors.next(None), error.is_silence(), &mut returns).await,
        }
    }
}

async fn ask(server: &Server, calico: CalicoApi, name: &str) -> Result<Option<Value>, KubernetesError> {
    let what: Arc<str> = format!("{}/{name}", Kind::BgpFilter).into();
    let path = format!("{}/{}", api_path(api_version(Kind::BgpFilter, calico)), plural(Kind::BgpFilter));
    let selector = format!("metadata.name={name}");
    let path = with_query(&path, &[("fieldSelector", selector.as_str())]);
    let text = server.get(&what, &path).await?.whole(MOST).await?;
    let mut list: Value = serde_json::from_slice(&text).map_err(|e| form(&what, e))?;
    let items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
    let named = |item: &Value| item.get("metadata").and_then(|m| m.get("name")?.as_str()) == Some(name);
    Ok(items.unwrap_or_default().into_iter().find(named))
}

fn found(hub: &Tie, filter: Value, calico: CalicoApi, name: &Arc<str>) {
    match value::decode(filter, Kind::BgpFilter, api_version(Kind::BgpFilter, calico)) {
        Ok(Document::Object(decoded)) => {
            let mut object = decoded.object;
            slim(&mut object, &mut Names::default());
            hub.tell(vec![SourceEvent::Set { object, revision: None }], Instant::now());
        }
        // Whoever follows filters says what is wrong with it; it is as if it were not there.
        Ok(Document::Skipped { .. }) | Err(_) => hub.filter_absent(name),
    }
}
