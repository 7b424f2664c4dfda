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
    /// If the client resets the request, this is dropped, and its handler is not called if it was not yet.
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
        let Projected::Called { future } = this.state.project() else {
            unreachable!("it is called by now");
        };
        let response = ready!(future.poll(context))?;
        let under_way = this.under_way.take().expect("it has one answer");
        let is_judged = *this.is_judged;
        Poll::Ready(Ok(
            response.map(|body| Answer::new(body, under_way, is_judged))
        ))
    }
}
