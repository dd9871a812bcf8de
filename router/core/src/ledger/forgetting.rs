//! What is over for long, and goes.

use super::Ledger;
use crate::id::MailboxIndex;
use crate::mailbox::Mailbox;
use crate::{Millis, Position};

impl Ledger {
    /// When the oldest message may be forgotten that is kept, if nothing of it is outstanding:
    /// `retention` milliseconds after the last of its deliveries became terminal.
    pub(crate) fn forgettable_at(&self, retention: i64) -> Option<Millis> {
        let oldest = self.messages.front().filter(|message| message.open == 0)?;
        Some(oldest.closed_at.after(retention))
    }

    /// Forgets the oldest messages that may be forgotten by now. Tells up to where that goes.
    ///
    /// Only the oldest: what was closed behind one that is outstanding goes with that one, which
    /// expires. So what is forgotten is a beginning of the log.
    pub(crate) fn forget(&mut self, now: Millis, retention: i64) -> Option<Position> {
        let mut through = None;
        while self.forgettable_at(retention).is_some_and(|at| at <= now)
            && let Some(message) = self.messages.pop_front()
        {
            self.forgotten += 1;
            self.numbers.remove(&message.id);
            self.deliveries -= message.deliveries.len();
            for delivery in &message.deliveries {
                let mailbox = &mut self.mailboxes[delivery.mailbox.get()];
                mailbox.forget();
                self.unused += usize::from(!mailbox.is_used());
            }
            if let Some(key) = &message.key
                && let Some(keys) = self.keys.get_mut(&message.from)
            {
                keys.remove(key);
                if keys.is_empty() {
                    self.keys.remove(&message.from);
                }
            }
            through = Some(message.position);
        }
        through
    }

    /// Whether there are more mailboxes in no use than `spare` and one for each eight deliveries:
    /// that many cost little beside these, and to drop them takes time for each delivery.
    pub(crate) fn has_unused_mailboxes(&self, spare: usize) -> bool {
        self.unused > spare + self.deliveries / 8
    }

    /// Drops the mailboxes that are in no use. The others get numbers anew, in the same order:
    /// tells which, by those that they had. All loads count as changed.
    pub(crate) fn drop_unused_mailboxes(&mut self) -> Vec<Option<MailboxIndex>> {
        let mut next = 0;
        let mut number = |mailbox: &Mailbox| {
            let number = mailbox.is_used().then_some(MailboxIndex(next));
            next += u32::from(mailbox.is_used());
            number
        };
        let numbers: Vec<_> = self.mailboxes.iter().map(&mut number).collect();
        self.mailboxes.retain(Mailbox::is_used);
        self.indexes.retain(|_, index| {
            let number = numbers[index.get()];
            *index = number.unwrap_or(*index);
            number.is_some()
        });
        for delivery in self.messages.iter_mut().flat_map(|message| &mut message.deliveries) {
            let number = numbers[delivery.mailbox.get()];
            delivery.mailbox = number.expect("what has a delivery is in use");
        }
        self.unused = 0;
        self.changed.clear();
        for (mailbox, index) in self.mailboxes.iter_mut().zip((0..).map(MailboxIndex)) {
            mailbox.change_load();
            self.changed.push(index);
        }
        numbers
    }

    /// Whether no message is kept.
    pub(crate) fn has_no_messages(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether nothing is known.
    pub(crate) fn is_blank(&self) -> bool {
        self.messages.is_empty() && !self.has_events() && self.forgotten == 0
    }

    /// When the session ended or will end by itself.
    pub(crate) fn end(&self) -> Option<Millis> {
        let expires_at = Some(self.expires_at).filter(|at| *at != Millis(0));
        [self.ended_at, expires_at].into_iter().flatten().min()
    }

    /// When the newest event or message was accepted.
    pub(crate) fn touched_at(&self) -> Millis {
        self.touched_at
    }
}
