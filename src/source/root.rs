//! Functions and assets at the root of the host, where Twilio serves them: `/menu` is
//! `functions/menu.js`, `/hello.wav` is `assets/hello.wav`, each as at its longer path.
//!
//! A function comes before an asset, and the server's own paths come before both.

use std::sync::Arc;

use super::asset;
use super::door::METHODS;
use super::project::{ASSET_METHODS, Project, Resource, Served};
use crate::directory::paths::{Access, name};
use crate::http::{BoxFuture, Found, Otherwise};

/// What has a name at the root.
pub(super) struct Rooted {
    /// Whether it is a function or an asset.
    pub(super) resource: Resource,
    /// Its name there.
    pub(super) name: String,
}

impl Project {
    /// What is at a path of the root. A private function is as good as none.
    pub(super) fn at_root(&self, path: &str) -> Option<Rooted> {
        let name = name(path)?;
        if self.functions.access(&name).is_some_and(|access| access != Access::Private) {
            return Some(Rooted { resource: Resource::Function, name });
        }
        asset::find(&self.assets, &name)?;
        Some(Rooted { resource: Resource::Asset, name })
    }
}

/// Finds what is at the root for requests from outside.
pub(super) struct Root(pub(super) Arc<Project>);

impl Otherwise for Root {
    fn find<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<Found>> {
        Box::pin(async move {
            let (project, path) = (Arc::clone(&self.0), path.to_owned());
            // Strangers ask for anything: not where others' requests wait for the disk.
            let look = move || project.at_root(&path);
            let Rooted { resource, name } = tokio::task::spawn_blocking(look).await.ok()??;
            let methods = match resource {
                Resource::Function => METHODS,
                _ => ASSET_METHODS,
            };
            let handler = Arc::new(Served(Arc::clone(&self.0), resource));
            Some(Found { methods, handler, arguments: vec![name] })
        })
    }
}
