use crate::contender::Contender;
use crate::load::Load;
use crate::round::{Drivers, Round, RoundError};
use crate::statistics::Estimate;

/// What a ratio is a ratio of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Deliveries a second, by the clock. The clients' work is part of it, the same for all servers,
    /// so that differences between servers look smaller than they are.
    Clock,
    /// Deliveries a second of the server threads' processor time. The clients have no part in it.
    Server,
}

/// One load, put on all contenders in turn, again and again.
#[derive(Debug, Clone)]
pub struct Comparison {
    load: Load,
    /// In the order of [`Contender::ALL`].
    turns: Vec<[Round; Contender::ALL.len()]>,
}

impl Comparison {
    /// Takes `turns` turns of one round for each contender, every second one in reverse. In each the
    /// router stands between the two others, so that it is neighbour to both and what the machine
    /// does otherwise meets them alike. A short turn before them is not counted.
    ///
    /// # Errors
    /// If a round was not right.
    pub fn run(drivers: &Drivers, load: Load, turns: usize) -> Result<Self, RoundError> {
        for contender in Contender::ALL {
            drivers.round(contender, load.shortened())?;
        }
        let turn = |reverse: bool| -> Result<_, RoundError> {
            let [first, router, last] = Contender::ALL;
            let [first, last] = if reverse { [last, first] } else { [first, last] };
            let first = drivers.round(first, load)?;
            let router = drivers.round(router, load)?;
            let last = drivers.round(last, load)?;
            Ok(if reverse { [last, router, first] } else { [first, router, last] })
        };
        let turns = (0..turns).map(|index| turn(index % 2 == 1)).collect::<Result<_, _>>()?;
        Ok(Self { load, turns })
    }

    /// What was put on them.
    pub fn load(&self) -> Load {
        self.load
    }

    /// A contender's rounds, in the order of the turns.
    pub fn rounds(&self, of: Contender) -> impl Iterator<Item = Round> + '_ {
        self.turns.iter().map(move |turn| turn[of as usize])
    }

    /// The router's rate by another contender's, from the ratios of the single turns. None if the
    /// system does not tell what threads spend.
    pub fn ratio(&self, to: Contender, by: Measure) -> Option<Estimate> {
        let rate = |round: Round| match by {
            Measure::Clock => Some(round.rate()),
            Measure::Server => round.cpu_rate(),
        };
        let pairs = self.rounds(Contender::Router).zip(self.rounds(to));
        let ratios = pairs.map(|(router, other)| Some(rate(router)? / rate(other)?));
        Estimate::of(&ratios.collect::<Option<Vec<_>>>()?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::Traffic;

    #[test]
    fn ratios_are_of_neighbours_and_over_one_if_the_router_is_faster() {
        let round = |millis, spent| Round {
            deliveries: 1000,
            elapsed: Duration::from_millis(millis),
            server_cpu: Some(Duration::from_millis(spent)),
        };
        // The machine gets slower and slower; the ratios stay.
        let turns = (1..=7).map(|slow| {
            Contender::ALL.map(|contender| match contender {
                Contender::Ceiling => round(40 * slow, 10 * slow),
                Contender::Router => round(50 * slow, 20 * slow),
                Contender::Usual => round(100 * slow, 160 * slow),
            })
        });
        let load = Load::standard(Traffic::FanOut, 256, 10);
        let comparison = Comparison { load, turns: turns.collect() };
        let ratio = |to, by| comparison.ratio(to, by).map(|ratio| ratio.to_string());
        assert_eq!(ratio(Contender::Ceiling, Measure::Clock).unwrap(), "0.80 [0.80, 0.80]");
        assert_eq!(ratio(Contender::Ceiling, Measure::Server).unwrap(), "0.50 [0.50, 0.50]");
        assert_eq!(ratio(Contender::Usual, Measure::Clock).unwrap(), "2.00 [2.00, 2.00]");
        assert_eq!(ratio(Contender::Usual, Measure::Server).unwrap(), "8.00 [8.00, 8.00]");
    }
}
