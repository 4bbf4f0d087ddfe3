//! Figures of several modules together: energies are added, shares are not.

use super::Measured;
use crate::backend::cpu;
use crate::fusion::plan::Plan;
use crate::fusion::plan::pairing::Unit;
use crate::fusion::settings::mu;
use crate::fusion::{Pair, float, ratio};
use serde::Serialize;
use std::ops::AddAssign;

/// Energies of some modules at the chosen strengths.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Energies {
    modules: usize,
    /// The content's energy, Σ‖ΔW_c‖².
    pub(super) content: f64,
    /// The style's energy, Σ‖ΔW_s‖².
    pub(super) style: f64,
    /// The energy of plain addition, Σ‖ΔW_s + ΔW_c‖².
    sum: f64,
    /// The content's energy along the style's directions, Σ‖ΔW_c V_k‖².
    inside: f64,
    /// The part of `inside` that the general β affects: zero where the style is switched off or a block has a β of its own.
    pub(super) projected: f64,
    /// For blocks with a β of their own, the energies that the projection changes, Σβ²‖ΔW_c V_k‖², and removes, Σβ(2−β)‖ΔW_c V_k‖².
    own: [f64; 2],
    /// The part of `inside` that any β can affect.
    reach: f64,
    /// The energy that unrelated directions would have in common, Σ‖ΔW_c‖²·k/n.
    chance: f64,
}

/// The figures of some modules together. Shares lie between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// The number of modules.
    pub modules: usize,
    /// The share ‖ΔW_c V_k‖²/‖ΔW_c‖² of the content's energy along the style's directions.
    pub overlap: f64,
    /// The overlap expected for unrelated directions: k/n, weighted by the content's energy.
    pub chance: f64,
    /// The share of the content's energy that is kept.
    pub content_kept: f64,
    /// The change that the projection makes against plain addition, relative to plain addition.
    pub change: f64,
    /// The norm of the content, ‖ΔW_c‖.
    pub content_norm: f64,
    /// The norm of the style, ‖ΔW_s‖.
    pub style_norm: f64,
}

impl Energies {
    /// The energies of one module, if both files have it.
    pub(super) fn of(plan: &Plan, unit: &Unit, measured: &Measured) -> Option<Self> {
        let Pair { content, style } = unit.pair()?;
        let (w_s, w_c) = (style.weight, content.weight);
        let k = cpu::count(&measured.style_sigma, plan.recipe.cut);
        let of_content = w_c * w_c * measured.content_energy();
        let of_style = w_s * w_s * measured.style_energy();
        let inside = w_c * w_c * measured.content_along.iter().take(k).sum::<f64>();
        let inside = inside.min(of_content);
        let reach = if style.strength == 0.0 { 0.0 } else { inside };
        let own = plan.own_mu(unit).map(mu::beta);
        Some(Self {
            modules: 1,
            content: of_content,
            style: of_style,
            sum: (of_content + of_style + 2.0 * w_s * w_c * measured.inner).max(0.0),
            inside,
            projected: if own.is_none() { reach } else { 0.0 },
            own: own.map_or([0.0; 2], |beta| [beta * beta, mu::taken(beta)].map(|share| share * reach)),
            reach,
            chance: of_content * float(k) / float(unit.in_features().max(1)),
        })
    }

    /// The figures at a general β.
    pub(super) fn tally(&self, beta: f64) -> Tally {
        let [changed, removed] = self.own;
        Tally {
            modules: self.modules,
            overlap: ratio(self.inside, self.content),
            chance: ratio(self.chance, self.content),
            content_kept: 1.0 - ratio(removed + mu::taken(beta) * self.projected, self.content),
            change: ratio(changed + beta * beta * self.projected, self.sum).sqrt(),
            content_norm: self.content.sqrt(),
            style_norm: self.style.sqrt(),
        }
    }

    /// The change against plain addition if everything is removed that any β can remove.
    pub(super) fn utmost(&self) -> f64 {
        ratio(self.reach, self.sum).sqrt()
    }
}

impl AddAssign for Energies {
    fn add_assign(&mut self, other: Self) {
        self.modules += other.modules;
        self.content += other.content;
        self.style += other.style;
        self.sum += other.sum;
        self.inside += other.inside;
        self.projected += other.projected;
        self.reach += other.reach;
        for (own, others) in self.own.iter_mut().zip(other.own) {
            *own += others;
        }
        self.chance += other.chance;
    }
}
