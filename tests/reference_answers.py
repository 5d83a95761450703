"""The published price analysis, recomputed by hand: what the shipped problem files must answer.

M = 10^6, B = 10^9, T = 10^12 tokens; a month is 730 h, 30 days are 720 h. `offer` None stands for the plan
itself, otherwise for that offer's row of the comparison. Money is in USD and must agree to the cent.
"""

from __future__ import annotations

from dataclasses import dataclass

ON_DEMAND = "cerebras-on-demand"
RESERVED = "cerebras-reserved"
DEDICATED = "cerebras-dedicated"
H100 = "self-hosted-8x-h100"
GPT = "openai-gpt-4.1"
OPUS = "anthropic-claude-opus-4.6"
TOGETHER = "together-ai"
PLAN = None


@dataclass(frozen=True, slots=True)
class Answer:
    case: str
    file: str
    offer: str | None
    figure: str  # cost_usd | cost_usd_per_month | usd_per_m_tokens | instances
    expected: float


ANSWERS: tuple[Answer, ...] = (
    # 1: 500 M · 1.50 = 750; 500 M · 0.60 = 300, which is 60 % less
    Answer("1", "case-01-reserved-or-not.yaml", ON_DEMAND, "cost_usd", 750.00),
    Answer("1", "case-01-reserved-or-not.yaml", RESERVED, "cost_usd", 300.00),
    Answer("1", "case-01-reserved-or-not.yaml", PLAN, "cost_usd", 300.00),
    # 2: 1,000 M · 1.50 = 1,500
    Answer("2", "case-02-on-demand.yaml", ON_DEMAND, "cost_usd", 1_500.00),
    Answer("2", "case-02-on-demand.yaml", PLAN, "cost_usd", 1_500.00),
    # 2, time: 5,000 tok/s · 3,600 = 18 M an hour; 1,000 / 18 = 55.56 h < 56 hours of one instance at 1 USD
    Answer("2", "case-02-wafer-time.yaml", DEDICATED, "instances", 1),
    Answer("2", "case-02-wafer-time.yaml", PLAN, "cost_usd", 56.00),
    # 3: 0.60 · max(1,000 M, 500 M) = 600, hence 0.60 per M; on demand 1,500
    Answer("3", "case-03-reserved-minimum.yaml", "cerebras-reserved-500m", "cost_usd", 600.00),
    Answer("3", "case-03-reserved-minimum.yaml", "cerebras-reserved-500m", "usd_per_m_tokens", 0.60),
    Answer("3", "case-03-reserved-minimum.yaml", ON_DEMAND, "cost_usd", 1_500.00),
    Answer("3", "case-03-reserved-minimum.yaml", PLAN, "cost_usd", 600.00),
    # 4: 8 · 2.69 = 21.52 an hour; · 730 = 15,709.60. 3,400 · 86,400 = 293.76 M a day, · 730 / 24 = 8,935.2 M
    #    a month; 15,709.60 / 8,935.2 = 1.758170 per M. The load is exactly one server.
    Answer("4", "case-04-self-hosted.yaml", H100, "cost_usd", 15_709.60),
    Answer("4", "case-04-self-hosted.yaml", H100, "cost_usd_per_month", 15_709.60),
    Answer("4", "case-04-self-hosted.yaml", H100, "usd_per_m_tokens", 1.758170),
    Answer("4", "case-04-self-hosted.yaml", H100, "instances", 1),
    Answer("4", "case-04-self-hosted.yaml", PLAN, "cost_usd", 15_709.60),
    # 5: GPT-4.1 500 M · 2 + 100 M · 8 = 1,000 + 800; on demand 600 M · 1.50
    Answer("5", "case-05-documents.yaml", GPT, "cost_usd", 1_800.00),
    Answer("5", "case-05-documents.yaml", ON_DEMAND, "cost_usd", 900.00),
    Answer("5", "case-05-documents.yaml", PLAN, "cost_usd", 900.00),
    # 6: 1,000 M prompt tokens · 2.00, 5.00, 1.50, 0.60;
    #    3,400 · 3,600 = 12.24 M an hour, 1,000 / 12.24 = 81.70 h, 82 hours · 21.52 = 1,764.64
    Answer("6", "case-06-one-job.yaml", GPT, "cost_usd", 2_000.00),
    Answer("6", "case-06-one-job.yaml", OPUS, "cost_usd", 5_000.00),
    Answer("6", "case-06-one-job.yaml", ON_DEMAND, "cost_usd", 1_500.00),
    Answer("6", "case-06-one-job.yaml", RESERVED, "cost_usd", 600.00),
    Answer("6", "case-06-one-job.yaml", H100, "cost_usd", 1_764.64),
    Answer("6", "case-06-one-job.yaml", H100, "instances", 1),
    Answer("6", "case-06-one-job.yaml", PLAN, "cost_usd", 600.00),
    # 7: 10 M · (200, 20) = 2,000 M and 200 M.
    #    GPT-4.1 4,000 + 1,600; Opus 10,000 + 5,000; 2,200 · 1.50; 2,200 · 0.60
    Answer("7", "case-07-emails.yaml", GPT, "cost_usd", 5_600.00),
    Answer("7", "case-07-emails.yaml", OPUS, "cost_usd", 15_000.00),
    Answer("7", "case-07-emails.yaml", ON_DEMAND, "cost_usd", 3_300.00),
    Answer("7", "case-07-emails.yaml", RESERVED, "cost_usd", 1_320.00),
    Answer("7", "case-07-emails.yaml", PLAN, "cost_usd", 1_320.00),
    # 7 with bodies: 7,000 M and 200 M.
    #    GPT-4.1 14,000 + 1,600; Opus 35,000 + 5,000; 7,200 · 1.50; 7,200 · 0.60
    Answer("7b", "case-07-emails-with-bodies.yaml", GPT, "cost_usd", 15_600.00),
    Answer("7b", "case-07-emails-with-bodies.yaml", OPUS, "cost_usd", 40_000.00),
    Answer("7b", "case-07-emails-with-bodies.yaml", ON_DEMAND, "cost_usd", 10_800.00),
    Answer("7b", "case-07-emails-with-bodies.yaml", RESERVED, "cost_usd", 4_320.00),
    Answer("7b", "case-07-emails-with-bodies.yaml", PLAN, "cost_usd", 4_320.00),
    # 8: 500 K · 30 = 15 M requests · (100, 150) = 1,500 M and 2,250 M.
    #    GPT-4.1 3,000 + 18,000; 3,750 · 1.50; 3,750 · 0.60
    Answer("8", "case-08-log-analysis.yaml", GPT, "cost_usd", 21_000.00),
    Answer("8", "case-08-log-analysis.yaml", ON_DEMAND, "cost_usd", 5_625.00),
    Answer("8", "case-08-log-analysis.yaml", RESERVED, "cost_usd", 2_250.00),
    Answer("8", "case-08-log-analysis.yaml", PLAN, "cost_usd", 2_250.00),
    # 9: 100 M · 30 = 3 B posts · (300, 50) = 900,000 M and 150,000 M, 1.05 T in all.
    #    GPT-4.1 1,800,000 + 1,200,000; Opus 4,500,000 + 3,750,000; 1,050,000 · 1.50; 1,050,000 · 0.60;
    #    35 B / 86,400 s = 405,092.6 tok/s; / 3,400 = 119.1, so 120 servers · 21.52 · 720 h = 1,859,328;
    #    / 5,000 = 81.02, so 82 wafers · 1 USD · 720 h = 59,040
    Answer("9", "case-09-content-moderation.yaml", GPT, "cost_usd", 3_000_000.00),
    Answer("9", "case-09-content-moderation.yaml", OPUS, "cost_usd", 8_250_000.00),
    Answer("9", "case-09-content-moderation.yaml", ON_DEMAND, "cost_usd", 1_575_000.00),
    Answer("9", "case-09-content-moderation.yaml", RESERVED, "cost_usd", 630_000.00),
    Answer("9", "case-09-content-moderation.yaml", H100, "cost_usd", 1_859_328.00),
    Answer("9", "case-09-content-moderation.yaml", H100, "instances", 120),
    Answer("9", "case-09-content-moderation.yaml", PLAN, "cost_usd", 630_000.00),
    Answer("9", "case-09-wafers.yaml", DEDICATED, "instances", 82),
    Answer("9", "case-09-wafers.yaml", PLAN, "cost_usd", 59_040.00),
    # 10: 100 M · 220 = 22,000 M a night: GPT-4.1 20,000 · 2 + 2,000 · 8; on demand 22,000 · 1.50; reserved · 0.60;
    #     5,000 · 28,800 s = 144 M a night and wafer, 22,000 / 144 = 152.8, so 153 · 1 USD · 8 h = 1,224
    Answer("10", "case-10-overnight-batch.yaml", GPT, "cost_usd", 56_000.00),
    Answer("10", "case-10-overnight-batch.yaml", ON_DEMAND, "cost_usd", 33_000.00),
    Answer("10", "case-10-overnight-batch.yaml", RESERVED, "cost_usd", 13_200.00),
    Answer("10", "case-10-overnight-batch.yaml", PLAN, "cost_usd", 13_200.00),
    Answer("10", "case-10-wafers.yaml", "cerebras-dedicated-by-the-night", "instances", 153),
    Answer("10", "case-10-wafers.yaml", PLAN, "cost_usd", 1_224.00),
    # 11: 50 M · 0.60 = 30 a day and 20 M · (0.80 + 2.40) / 2 = 32 a day, 62 · 30 = 1,860;
    #     all on Together 70 M · 1.60 · 30 = 3,360
    Answer("11", "case-11-hybrid.yaml", TOGETHER, "cost_usd", 3_360.00),
    Answer("11", "case-11-hybrid.yaml", PLAN, "cost_usd", 1_860.00),
    # The first run of the README is case 9 without the catalogue.
    Answer("quickstart", "quickstart.yaml", PLAN, "cost_usd", 630_000.00),
    Answer("quickstart", "quickstart.yaml", "gpt-4.1", "cost_usd", 3_000_000.00),
    Answer("quickstart", "quickstart.yaml", H100, "cost_usd", 1_859_328.00),
    # Mixed: everything but the chat goes to the reserved contract: moderation 1,050,000 M, classification
    #   2,200 M, logs 3,750 M, documents 600 M: 1,056,550 · 0.60 = 633,930. The chat is 2 M · 30 = 60 M
    #   · (600, 250) = 36,000 M and 15,000 M, cheapest on Replicate: 23,400 + 41,250 = 64,650. Sum 698,580.
    Answer("mixed", "mixed.yaml", PLAN, "cost_usd", 698_580.00),
    #   GPT-4.1 3,000,000 + 5,600 + 21,000 + 1,800 + chat 72,000 + 120,000
    Answer("mixed", "mixed.yaml", GPT, "cost_usd", 3_220_400.00),
    #   Opus 8,250,000 + 15,000 + logs 7,500 + 56,250 + documents 2,500 + 2,500 + chat 180,000 + 375,000
    Answer("mixed", "mixed.yaml", OPUS, "cost_usd", 8_888_750.00),
    #   Together: moderation 720,000 + 360,000, classification 1,600 + 480, logs 1,200 + 5,400,
    #   documents 400 + 240, chat 28,800 + 36,000
    Answer("mixed", "mixed.yaml", TOGETHER, "cost_usd", 1_154_120.00),
    #   Replicate: moderation 585,000 + 412,500, classification 1,300 + 550, logs 975 + 6,187.50,
    #   documents 325 + 275, chat 64,650
    Answer("mixed", "mixed.yaml", "replicate", "cost_usd", 1_071_762.50),
    #   8x H100: 1,107,550 M / (3,400 · 3,600 · 720 = 8,812.8 M) = 125.7, so 126 · 21.52 · 720
    Answer("mixed", "mixed.yaml", H100, "instances", 126),
    Answer("mixed", "mixed.yaml", H100, "cost_usd", 1_952_294.40),
    # Eligibility, 100 M tokens each, half prompt: on Together 50 · 0.80 + 50 · 2.40 = 160 for each of three;
    #   GPT-4.1 50 · 2 + 50 · 8 = 500; Opus 50 · 5 + 50 · 25 = 1,500. Within 100 ms: reserved 100 · 0.60.
    Answer("eligibility", "eligibility.yaml", PLAN, "cost_usd", 2_480.00),
    Answer("eligibility", "eligibility-latency.yaml", PLAN, "cost_usd", 60.00),
    # Fleet: a request is 600 tokens; an own server does 3,400 · 3,600 · 0.9 / 600 = 18,360 an hour, a spot
    #   server 16,524, Together asks 0.00128 each. Of all (own, spot) with own + spot ≤ 4, the hour costs
    #   29.60 + 21.52 · max(own − 2, 0) + 19.71 · spot + 0.00128 · the rest, and the least is
    #   (2, 0) below 44 K and at 44 K 38.9184, at 52 K 49.1584 (twice); (3, 0) at 60 K 57.4176, 66 K 65.0976;
    #   (2, 2) at 70 K 69.31696, where own servers alone would leave 72.6400 with four and 70.2176 with three;
    #   (4, 0) at 75, 80, 82, 84, 88, 90, 92 K 74.6368, 81.0368, 83.5968, 86.1568, 91.2768, 93.8368, 96.3968.
    #   With 11 hours at 29.60: 325.60 + 38.9184 + 98.3168 + 122.5152 + 69.31696 + 606.9376 = 1,261.60496.
    Answer("fleet", "fleet.yaml", PLAN, "cost_usd", 1_261.60496),
)

# What remains of the table is read off a plan: (file, what, expected).
# 2: a billion tokens keep one wafer busy for 55.56 h = 2.31 days, which is 432 M a day.
WAFER_BUSY_DAYS = 1e9 / 5_000 / 86_400  # 2.3148
WAFER_TOKENS_PER_DAY = 5_000 * 86_400  # 432 M
# 6: a billion tokens keep one 8x H100 server busy for 81.70 h = 3.40 days.
H100_BUSY_DAYS = 1e9 / 3_400 / 86_400  # 3.4041
# 9: 405,093 tok/s sustained.
MODERATION_TOKENS_PER_S = 100e6 * 350 / 86_400

CASE_FILES: tuple[str, ...] = tuple(dict.fromkeys(answer.file for answer in ANSWERS))
