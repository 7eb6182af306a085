namespace Karya.Benchmarks.Figures;

/// <summary>Every figure, one line each. The number of timers or plans is the last part of a name.</summary>
internal static class AllFigures
{
    public static readonly Figure[] List =
    [
        new("wheel.schedule.10k", "ns", () => WheelFigures.Schedule(10_000)),
        new("wheel.schedule.1m", "ns", () => WheelFigures.Schedule(1_000_000)),
        new("wheel.schedule.10m", "ns", () => WheelFigures.Schedule(10_000_000)),
        new("wheel.cancel.10k", "ns", () => WheelFigures.Cancel(10_000)),
        new("wheel.cancel.1m", "ns", () => WheelFigures.Cancel(1_000_000)),
        new("wheel.cancel.10m", "ns", () => WheelFigures.Cancel(10_000_000)),
        new("wheel.expire.10k", "ns", () => WheelFigures.Expire(10_000)),
        new("wheel.expire.1m", "ns", () => WheelFigures.Expire(1_000_000)),
        new("wheel.expire.10m", "ns", () => WheelFigures.Expire(10_000_000)),
        new("wheel.bytes", "B", () => WheelFigures.Bytes(10_000_000)),
        new("sqlite.submit", "1/s", NodeFigures.Submit),
        new("sqlite.life", "1/s", NodeFigures.Life),
        new("postgres.submit", "1/s", PostgresFigures.Submit),
        new("postgres.life", "1/s", PostgresFigures.Life),
        new("postgres.wal", "B", PostgresFigures.WalOfLife),
        new("postgres.recovery", "1/s", RecoveryFigures.Load),
        new("postgres.recovery.first", "ms", RecoveryFigures.FirstStart),
        new("postgres.recovery.start", "ms", RecoveryFigures.StartUp),
        .. WireFigures.List,
        new("rest.life.sqlite", "1/s", RestFigures.OnSqlite),
        new("rest.life.postgres", "1/s", RestFigures.OnPostgres),
        new("worker.life", "1/s", WorkerFigures.Life),
        new("worker.late.p50", "ms", () => WorkerFigures.Late(0.5)),
        new("worker.late.p99", "ms", () => WorkerFigures.Late(0.99)),
        new("worker.late.p99.9", "ms", () => WorkerFigures.Late(0.999)),
        new("late.p99.steady", "ms", NodeFigures.LateSteady),
        new("memory.pending", "MB", NodeFigures.PendingMemory),
    ];
}
