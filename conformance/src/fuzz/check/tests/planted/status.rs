//! What the router says of deliveries.

use super::*;

pub(super) const PLANTS: &[(Anomaly, Plant)] = &[
    (Anomaly::StatusGoesBack, |history, random| {
        let model = Model::of(history, RULES);
        let (place, begun) = status(history, random, Phase::Acknowledged)?;
        let (party, message) = whose(history, place);
        let unit = model.units[message.index()]?;
        // It may not be known to anybody that it is over.
        (model.delivery(unit, party)?.is_over() >= begun).then_some(())?;
        let again = history.calls[place].clone();
        let later = Call { begun: again.ended + 1, ended: again.ended + 2, ..again };
        history.calls.push(later);
        history.calls.sort_by_key(|it| it.begun);
        let place = history.calls.iter().rposition(|it| {
            it.begun > begun && matches!(&it.asked, Asked::Status(_, other) if *other == message)
        })?;
        standing(history, place).phase = Phase::Delivered;
        Some(())
    }),
    (Anomaly::StatusAhead, |history, random| {
        let (place, _) = status(history, random, Phase::Delivered)?;
        let (party, message) = whose(history, place);
        let model = Model::of(history, RULES);
        let delivery = model.delivery(model.units[message.index()]?, party)?;
        (delivery.may_be_good > history.calls[place].ended).then_some(())?;
        standing(history, place).phase = Phase::Acknowledged;
        Some(())
    }),
    (Anomaly::StatusNonsense, |history, random| {
        let (place, _) = status(history, random, Phase::Delivered)?;
        history.calls[place].got = Got::Done(Answer::Nonsense);
        Some(())
    }),
    (Anomaly::StatusBehind, |history, random| {
        let (place, begun) = status(history, random, Phase::Acknowledged)?;
        let (party, message) = whose(history, place);
        let model = Model::of(history, RULES);
        let delivery = model.delivery(model.units[message.index()]?, party)?;
        (delivery.is_over() < begun).then_some(())?;
        standing(history, place).phase = Phase::Delivered;
        Some(())
    }),
    (Anomaly::StatusOfOthers, |history, random| {
        let (place, _) = status(history, random, Phase::Delivered)?;
        let (_, message) = whose(history, place);
        let model = Model::of(history, RULES);
        let sender = history.units[model.units[message.index()]?.index()].sender;
        standing(history, place).party = sender;
        Some(())
    }),
    (Anomaly::StatusRefused, |history, random| {
        let (place, begun) = status(history, random, Phase::Delivered)?;
        let (_, message) = whose(history, place);
        let model = Model::of(history, RULES);
        let fate = model.fates[model.units[message.index()]?.index()];
        (fate.effect() < begun).then_some(())?;
        history.calls[place].got = Got::Refused;
        Some(())
    }),
    (Anomaly::AllAcknowledged, |history, random| {
        let (place, _) = status(history, random, Phase::Delivered)?;
        if let Got::Done(Answer::Status { all_acknowledged, .. }) = &mut history.calls[place].got {
            *all_acknowledged = true;
        }
        Some(())
    }),
    (Anomaly::DeliveredAtMoves, |history, random| {
        let (place, begun) = status(history, random, Phase::Delivered)?;
        let again = history.calls[place].clone();
        history.calls.push(Call { begun: again.ended + 1, ended: again.ended + 2, ..again });
        history.calls.sort_by_key(|it| it.begun);
        let asked = history.calls.iter().find(|it| it.begun == begun)?.asked.clone();
        let Asked::Status(_, message) = asked else { return None };
        let place = history.calls.iter().position(|it| {
            it.begun > begun && matches!(&it.asked, Asked::Status(_, other) if *other == message)
        })?;
        let standing = standing(history, place);
        (standing.phase >= Phase::Delivered && standing.delivered_at != 0).then_some(())?;
        standing.delivered_at += 1;
        Some(())
    }),
    (Anomaly::AcknowledgedAtMoves, |history, random| {
        let (place, _) = status(history, random, Phase::Acknowledged)?;
        let again = history.calls[place].clone();
        standing(history, place).acknowledged_at += 1;
        history.calls.push(Call { begun: again.ended + 1, ended: again.ended + 2, ..again });
        history.calls.sort_by_key(|it| it.begun);
        Some(())
    }),
    (Anomaly::StatusTimes, |history, random| {
        let (place, _) = status(history, random, Phase::Delivered)?;
        standing(history, place).acknowledged_at = 5;
        Some(())
    }),
    (Anomaly::RetriesGoBack, |history, random| {
        let (place, begun) = status(history, random, Phase::Delivered)?;
        let again = history.calls[place].clone();
        let Asked::Status(session, message) = again.asked else { return None };
        // With two streams open it is unspecified.
        let (party, _) = whose(history, place);
        (!Model::of(history, RULES).is_crowded(party, session)).then_some(())?;
        history.calls.push(Call { begun: again.ended + 1, ended: again.ended + 2, ..again });
        standing(history, place).retries += 1_000;
        history.calls.sort_by_key(|it| it.begun);
        let later = |it: &&Call| {
            it.begun > begun && matches!(&it.asked, Asked::Status(_, other) if *other == message)
        };
        history.calls.iter().find(later)?;
        Some(())
    }),
];
