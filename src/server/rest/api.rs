//! [`Api`]: the table of all routes, of which both the router and its description are made.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::problem::Problem;
use crate::policy::Policies;
use crate::server::service::Service;

/// Where `OpenAPI` has its schemas.
const SCHEMAS: &str = "/components/schemas";

/// The media type of [`Problem`].
const PROBLEM: &str = "application/problem+json";

/// Lets nobody to a route who does not know the token.
type Guard = Box<dyn Fn(MethodRouter<Arc<Service>>) -> MethodRouter<Arc<Service>>>;

/// Routes as they are added.
pub(super) struct Api {
    router: Router<Arc<Service>>,
    guard: Guard,
    generator: SchemaGenerator,
    paths: Map<String, Value>,
}

/// What a route does, in words and schemas.
pub(super) struct Operation {
    description: Map<String, Value>,
    parameters: Vec<Value>,
    body: Option<SchemaOf>,
    responses: Vec<(u16, &'static str, Content)>,
    guarded: bool,
}

type SchemaOf = fn(&mut SchemaGenerator) -> Value;

enum Content {
    Json(SchemaOf),
    Other(&'static str),
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

impl Operation {
    /// Named `id` for programs that are made of the description.
    pub(super) fn new(id: &'static str, summary: &'static str) -> Operation {
        let mut description = Map::new();
        description.insert("operationId".to_owned(), id.into());
        description.insert("summary".to_owned(), summary.into());
        Operation { description, parameters: Vec::new(), body: None, responses: Vec::new(), guarded: false }
    }

    /// With this parameter in the query.
    pub(super) fn query(mut self, name: &str, about: &str, schema: &Value) -> Operation {
        self.parameters.push(json!({ "name": name, "in": "query", "description": about, "schema": schema }));
        self
    }

    /// With these parameters.
    pub(super) fn parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Operation {
        self.parameters.extend(parameters);
        self
    }

    /// With this parameter in the path.
    pub(super) fn path(mut self, name: &str, about: &str, schema: &Value) -> Operation {
        let parameter =
            json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema });
        self.parameters.push(parameter);
        self
    }

    /// It may be asked for only if nobody else has made a change.
    pub(super) fn if_match(mut self) -> Operation {
        let about = "The ETag of what is to be changed: refused with 412 if it is another by now.";
        self.parameters.push(json!({ "name": "If-Match", "in": "header", "description": about, "schema": { "type": "string" } }));
        self
    }

    /// It takes this body, in JSON.
    pub(super) fn body<T: JsonSchema>(self) -> Operation {
        Operation { body: Some(schema_of::<T>), ..self }
    }

    /// It answers so, with this in JSON.
    pub(super) fn answers<T: JsonSchema>(mut self, status: u16, about: &'static str) -> Operation {
        self.responses.push((status, about, Content::Json(schema_of::<T>)));
        self
    }

    /// It answers so, with a text of this media type.
    pub(super) fn answers_text(
        mut self,
        status: u16,
        about: &'static str,
        media_type: &'static str,
    ) -> Operation {
        self.responses.push((status, about, Content::Other(media_type)));
        self
    }

    /// It is only for those who know the token.
    pub(super) fn guarded(self) -> Operation {
        Operation { guarded: true, ..self }
    }

    fn describe(mut self, generator: &mut SchemaGenerator) -> Value {
        if !self.parameters.is_empty() {
            self.description.insert("parameters".to_owned(), self.parameters.into());
        }
        if let Some(body) = self.body {
            let content = json!({ "application/json": { "schema": body(generator) } });
            self.description
                .insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
        }
        if self.guarded {
            self.description.insert("security".to_owned(), json!([{ "token": [] }, {}]));
        }
        let problem = json!({ "schema": schema_of::<Problem>(generator) });
        let mut responses = Map::new();
        for (status, about, content) in self.responses {
            let mut response = json!({ "description": about });
            match content {
                Content::Json(schema) => {
                    response["content"] = json!({ "application/json": { "schema": schema(generator) } });
                }
                Content::Other(media_type) => {
                    response["content"] = json!({ media_type: { "schema": { "type": "string" } } });
                }
            }
            // Under these an answer is possible, and that there is none.
            if status >= 500 {
                response["content"][PROBLEM] = problem.clone();
            }
            responses.insert(status.to_string(), response);
        }
        responses.insert(
            "default".to_owned(),
            json!({ "description": "What is wrong, and what to change.", "content": { PROBLEM: problem } }),
        );
        self.description.insert("responses".to_owned(), responses.into());
        self.description.into()
    }
}

impl Api {
    /// No routes yet. `guard` lets nobody to a route who does not know the token.
    pub(super) fn new(
        guard: impl Fn(MethodRouter<Arc<Service>>) -> MethodRouter<Arc<Service>> + 'static,
    ) -> Api {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        });
        Api {
            router: Router::new(),
            guard: Box::new(guard),
            generator: settings.into_generator(),
            paths: Map::new(),
        }
    }

    /// With this route.
    pub(super) fn route<T: 'static>(
        mut self,
        method: &Method,
        path: &'static str,
        operation: Operation,
        handler: impl Handler<T, Arc<Service>>,
    ) -> Api {
        let guarded = operation.guarded;
        let described = operation.describe(&mut self.generator);
        let operations = self.paths.entry(path).or_insert_with(|| json!({}));
        operations[method.as_str().to_ascii_lowercase()] = described;
        // It fails for methods that HTTP does not define.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        let route = on(filter, handler);
        self.router = self.router.route(path, if guarded { (self.guard)(route) } else { route });
        self
    }

    /// The router, and its description in `OpenAPI` 3.1.
    pub(super) fn finish(mut self) -> (Router<Arc<Service>>, Value) {
        let mut schemas = self.generator.take_definitions(true);
        schemas.extend(schemas_of_policies());
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Tollgate",
                "description": "Rate limiting by key: may this key go on, and if not, when?",
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
            },
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            },
        });
        (self.router, document)
    }
}

/// The schemas of policies as in files, where one limit may stand beside the id.
fn schemas_of_policies() -> Map<String, Value> {
    let mut schema = Policies::json_schema().to_value();
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut).map(std::mem::take);
    let mut definitions = definitions.unwrap_or_default();
    definitions.values_mut().for_each(refer_to_components);
    definitions
}

/// References lead to where `OpenAPI` has its schemas.
fn refer_to_components(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref") {
                *reference = reference.replace("#/$defs", &format!("#{SCHEMAS}"));
            }
            object.values_mut().for_each(refer_to_components);
        }
        Value::Array(array) => array.iter_mut().for_each(refer_to_components),
        _ => {}
    }
}
