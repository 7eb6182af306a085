namespace Karya.Engine;

/// <summary>
/// Every bound of the engine, with its reason. What an operator may change is in the node's options instead.
/// </summary>
public static class Limits
{
    /// <summary>Hooks of one plan. More is a mistake in a generator, not a use.</summary>
    public const int HooksPerPlanMax = 32;

    /// <summary>Characters of a cron expression; what people write has a tenth of it.</summary>
    public const int CronCharsMax = 128;

    /// <summary>Characters of a time zone's name; the longest in use has 32.</summary>
    public const int ZoneCharsMax = 64;

    /// <summary>Bytes of a schedule as stored: both, in ASCII, and a line feed. One byte holds the length.</summary>
    public const int CronBytesMax = CronCharsMax + 1 + ZoneCharsMax;

    /// <summary>Parsed schedules that a shard keeps, some 500 bytes each.</summary>
    public const int CronSchedulesMax = 4096;

    /// <summary>
    /// Missed occurrences of cron plans counted in one turn of a shard: they are counted one by one, at some 2 µs each
    /// (every second, in a zone with summer time), and all else waits meanwhile.
    /// </summary>
    public const int CronStepsPerTurnMax = 4096;

    /// <summary>
    /// Bytes of a plan's body as stored. Half of what one journal batch may hold, so that any plan fits one.
    /// </summary>
    public const int BodyBytesMax = 256 * 1024;

    /// <summary>Bytes of an error text that are kept; what is longer is cut and marked.</summary>
    public const int ErrorBytesMax = 4096;

    /// <summary>
    /// Bytes of a task's result. What a task says about its outcome, not a way to move data: larger things belong into
    /// a store of their own, and their address into the result.
    /// </summary>
    public const int ResultBytesMax = 64 * 1024;

    /// <summary>Attempts of one task, retries included.</summary>
    public const int AttemptsMax = 1000;

    /// <summary>Requests taken in one turn of a shard, so that due tasks never wait long behind requests.</summary>
    public const int CommandsPerTurnMax = 128;

    /// <summary>
    /// Bytes of errors and results after which a turn leaves further outcomes to the next one: the records of a turn
    /// are one chunk of the journal.
    /// </summary>
    public const int OutcomeBytesPerTurnMax = 4 * 1024 * 1024;

    /// <summary>
    /// Bytes of requests that may wait in a shard's inbox, whatever their number: large ones are refused sooner.
    /// </summary>
    public const long InboxBytesMax = 64L * 1024 * 1024;

    /// <summary>
    /// Wheel entries looked at in one turn of a shard (expired, cascaded or dropped), for the same reason.
    /// </summary>
    public const int WheelWorkPerTurnMax = 2048;

    /// <summary>
    /// Misfired occurrences that <see cref="MisfirePolicy.All"/> catches up one by one start no closer than this, in
    /// ms.
    /// </summary>
    public const int MisfireGraceMs = 1000;

    /// <summary>
    /// The latest instant that the engine works with: 1 January 10000 UTC. Nothing overflows when added to it.
    /// </summary>
    public const long InstantMsMax = 253_402_300_800_000;

    /// <summary>Attempts handed out in one turn of a shard; the rest follows in the next one.</summary>
    public const int DispatchesPerTurnMax = 512;

    /// <summary>The longest pause that a target may ask for (Retry-After) and get: one hour.</summary>
    public const int RetryAfterMsMax = 3_600_000;

    /// <summary>Commands that wait for a plan to be loaded from the tables, per shard.</summary>
    public const int ParkedCommandsMax = 4096;

    /// <summary>Rows of a projection batch while few changes wait: some milliseconds of the store's time.</summary>
    public const int ProjectionRowsMin = 1500;

    /// <summary>Rows of a projection batch while very many wait: some tenths of a second of the store's time.</summary>
    public const int ProjectionRowsMax = 65_536;

    /// <summary>
    /// Bytes after which a projection batch takes no further partition, however few rows they are. Rows of usual size
    /// stay far below it.
    /// </summary>
    public const int ProjectionBytesMax = 32 * 1024 * 1024;

    /// <summary>
    /// How long a task whose record is not durable yet is put off before it is looked at again, in ms.
    /// </summary>
    public const int NotDurableDelayMs = 1;

    /// <summary>
    /// How long an attempt that a worker gave back is put off, in ms: one that gives back all it gets must not keep a
    /// shard busy.
    /// </summary>
    public const int ReleaseDelayMs = 100;

    /// <summary>Journal chunks that a shard keeps for reuse; more are under way only while the store is slow.</summary>
    public const int SpareChunksMax = 64;
}
