//! [`Resp`]: `CL.THROTTLE`, in pipelines.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo, RedisError, Value, pipe};

use super::{PATIENCE, Told, whole_seconds};
use crate::probe::plan::Target;
use crate::quota::Quota;

/// A connection in RESP.
pub(in crate::probe) struct Resp {
    connection: MultiplexedConnection,
    limit: Limit,
}

/// A limit as `CL.THROTTLE` takes it.
#[derive(Clone, Copy)]
struct Limit {
    max_burst: u64,
    count: u64,
    period: u64,
}

impl Resp {
    pub(super) async fn connect(target: &Target, limit: Quota) -> Result<Resp, String> {
        let period = whole_seconds(limit)
            .ok_or("CL.THROTTLE counts in whole seconds: give a longer --limit period")?;
        let limit = Limit {
            max_burst: limit.capacity().checked_sub(1).ok_or("a --limit of zero cannot be told in RESP")?,
            count: limit.count(),
            period,
        };
        let address = ConnectionAddr::Tcp(target.bare_host().to_owned(), target.port);
        let client =
            address.into_connection_info().and_then(redis::Client::open).map_err(|error| told(&error))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| told(&error))?;
        Ok(Resp { connection, limit })
    }

    pub(super) async fn check(&mut self, keys: &[String], told: &mut Vec<Told>) -> Result<(), String> {
        let mut requests = pipe();
        requests.ignore_errors();
        for key in keys {
            let request = requests.cmd("CL.THROTTLE").arg(key);
            request.arg(self.limit.max_burst).arg(self.limit.count).arg(self.limit.period);
        }
        let answers: Vec<Result<Value, RedisError>> =
            requests.query_async(&mut self.connection).await.map_err(|error| error.to_string())?;
        told.extend(answers.into_iter().map(|answer| match answer {
            Ok(Value::Array(numbers)) => match numbers.first() {
                Some(Value::Int(0)) => Told::Admitted,
                Some(Value::Int(1)) => Told::Refused,
                _ => Told::Failed("not an answer of CL.THROTTLE".to_owned()),
            },
            Ok(_) => Told::Failed("not an answer of CL.THROTTLE".to_owned()),
            Err(error) => Told::Failed(error.to_string()),
        }));
        Ok(())
    }
}

fn told(error: &RedisError) -> String {
    format!("cannot connect: {error}")
}
