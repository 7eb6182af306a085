using System.Buffers;
using System.Text;
using Karya.Engine.Scheduling;

namespace Karya.Engine.Tests.Driving;

/// <summary>A plan as a test writes it down. Without a period or a schedule it runs once.</summary>
internal sealed record PlanDraft(PlanId Id, long DueMs)
{
    public PlanId Parent { get; init; }

    public long PeriodMs { get; init; }

    /// <summary>A cron expression; it takes the place of the period.</summary>
    public string? Cron { get; init; }

    public string Zone { get; init; } = CronSchedule.DefaultZone;

    public long EndMs { get; init; } = PlanSpec.NoEnd;

    public MisfirePolicy Misfire { get; init; }

    public int Attempts { get; init; } = 1;

    public int RetryDelayMs { get; init; } = 100;

    public int RetryDelayMsMax { get; init; } = 10_000;

    public uint Lane { get; init; } = 1;

    public HookSpec[] Hooks { get; init; } = [];

    /// <summary>For workers.</summary>
    public bool IsPulled { get; init; }

    /// <summary>The client chose the id.</summary>
    public bool MayExist { get; init; }

    /// <summary>Answered from memory.</summary>
    public bool IsAccepted { get; init; }

    public byte[] Body { get; init; } = [1, 2, 3, 4, 5, 6, 7, 8];

    public static PlanId Plan(int number) => new(new UInt128(0x0190_0000_0000_7000, (ulong)number));

    public static HookSpec OnFailure(int attempts = 1, uint lane = 9) => new(HookTrigger.OnFailure, attempts, lane);

    public static HookSpec OnCompletion(int attempts = 1, uint lane = 9) =>
        new(HookTrigger.OnCompletion, attempts, lane);

    public Command ToCommand(long nowMs, int partition, IReplyTarget? replyTo)
    {
        var command = new Command
        {
            Kind = CommandKind.Submit,
            Partition = partition,
            AtMs = nowMs,
            Key = new TaskKey(Id, 0, 0),
            Hooks = Hooks,
            Cron = Cron is null ? null : Encoding.UTF8.GetBytes(Cron + "\n" + Zone),
            ReplyTo = replyTo,
            MayExist = MayExist,
            IsAccepted = IsAccepted,
            Spec = new PlanSpec
            {
                Id = Id,
                Parent = Parent,
                CreatedMs = nowMs,
                FirstDueMs = DueMs,
                PeriodMs = PeriodMs,
                EndMs = EndMs,
                Kind = Cron is not null ? ScheduleKind.Cron : PeriodMs == 0 ? ScheduleKind.Once : ScheduleKind.Every,
                Misfire = Misfire,
                AttemptsMax = Attempts,
                RetryDelayMs = RetryDelayMs,
                RetryDelayMsMax = RetryDelayMsMax,
                Lane = Lane,
                IsPulled = IsPulled,
                HookCount = Hooks.Length,
            },
        };
        SetPayload(ref command, Body);
        return command;
    }

    public static void SetPayload(ref Command command, ReadOnlySpan<byte> payload)
    {
        command.Payload = ArrayPool<byte>.Shared.Rent(Math.Max(1, payload.Length));
        payload.CopyTo(command.Payload);
        command.PayloadBytes = payload.Length;
    }
}

/// <summary>Keeps the answer to a command.</summary>
internal sealed class Answer : IReplyTarget
{
    /// <summary>Null while there is none.</summary>
    public ReplyCode? Code { get; private set; }

    public Action? Completed { get; init; }

    public void Complete(in Reply reply)
    {
        if (Code is not null)
            throw new InvalidOperationException("A command was answered twice.");
        Code = reply.Code;
        if (reply.Code == ReplyCode.Ok)
            Completed?.Invoke();
    }
}
