//! A request on its way to its answer: it waits for its turn, and then for the program's service. A future that is written by hand, since
//! one that the compiler makes keeps the request in each place that it has been, and hyper moves it several times.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::extract::Request;
use hyper::Response;
use pin_project_lite::pin_project;

use crate::{
    answer::{Answer, Turn, Turns, UnderWay},
    connection::ServiceOfAxum,
};

pin_project! {
    /// A reset by the client drops it; while it waits for its turn, the handler is not called then.
    pub(crate) struct Answering<S: ServiceOfAxum> {
        #[pin]
        state: State<S, S::Future>,
        // Until there is an answer, which has it then.
        under_way: Option<UnderWay>,
        is_judged: bool,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, F> {
        Asked {
            // Until the service is called.
            asked: Option<(S, Request)>,
            // Until it has come.
            turn: Option<Turn>,
        },
        Called {
            #[pin]
            future: F,
        },
        Answered,
    }
}

impl<S: ServiceOfAxum> Answering<S> {
    pub(crate) fn new(
        asked: (S, Request),
        (mut under_way, turns): (UnderWay, &Turns),
        is_judged: bool,
    ) -> Answering<S> {
        let turn = match turns.next() {
            None => None,
            Some(Ok(turn)) => {
                under_way.has_its_turn(turn);
                None
            }
            Some(Err(turn)) => Some(turn),
        };
        Answering {
            state: State::Asked {
                asked: Some(asked),
                turn,
            },
            under_way: Some(under_way),
            is_judged,
        }
    }
}

impl<S: ServiceOfAxum> Future for Answering<S> {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Projected::Asked { asked, turn } = this.state.as_mut().project() {
            if let (Some(waiting), Some(under_way)) = (turn.as_mut(), this.under_way.as_mut()) {
                under_way.has_its_turn(ready!(waiting.as_mut().poll(context)));
                *turn = None;
            }
            if let Some((service, _)) = asked {
                ready!(service.poll_ready(context))?;
            }
            if let Some((mut service, request)) = asked.take() {
                let future = service.call(request);
                this.state.set(State::Called { future });
            }
        }
        let Projected::Called { future } = this.state.as_mut().project() else {
            unreachable!("it is called by now, and has one answer");
        };
        let response = ready!(future.poll(context))?;
        // What a layer holds for the request, as the permit of a limit, is given back before the client may have the answer.
        this.state.set(State::Answered);
        let under_way = this.under_way.take().expect("it has one answer");
        let is_judged = *this.is_judged;
        Poll::Ready(Ok(
            response.map(|body| Answer::new(body, under_way, is_judged))
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
        sync::Arc,
        task::{Context, Poll, Waker},
    };

    use axum::{body::Body, extract::Request, response::Response};
    use tower_service::Service;

    use super::Answering;
    use crate::{
        answer::{Doing, Turns, UnderWay},
        prefixed::Version,
    };

    /// Its futures hold something, as those of a limit do.
    #[derive(Clone)]
    struct Holds(Arc<()>);

    impl Service<Request> for Holds {
        type Response = Response;
        type Error = Infallible;
        type Future = Held;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request) -> Held {
            Held(ready(Ok(Response::new(Body::empty()))), self.0.clone())
        }
    }

    struct Held(
        Ready<Result<Response, Infallible>>,
        #[expect(dead_code, reason = "for its drop")] Arc<()>,
    );

    impl Future for Held {
        type Output = Result<Response, Infallible>;

        fn poll(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Self::Output> {
            std::pin::Pin::new(&mut self.0).poll(context)
        }
    }

    #[test]
    fn what_the_service_holds_is_given_back_before_the_answer() {
        let held = Arc::new(());
        let asked = (Holds(held.clone()), Request::new(Body::empty()));
        let under_way = UnderWay::begin(Arc::new(Doing::begin()));
        let turns = Turns::new(Version::Two, 1);
        let mut answering = Box::pin(Answering::new(asked, (under_way, &turns), false));
        let mut context = Context::from_waker(Waker::noop());
        let answer = answering.as_mut().poll(&mut context);
        assert!(answer.is_ready());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
