using System.Globalization;
using StackExchange.Redis;

namespace Karya.Node.Cluster;

/// <summary>
/// The board of a cluster in Redis: a hash with a field for each process, and a channel to wake each other.
/// </summary>
/// <remarks>
/// <code>
/// HGETALL {karya:main}:beats
///   node-a/5f0c3a91   1795790000 1 4711 1 1 0
///                     written at (Redis' clock), version, counter, weight, can own, draining
/// PUBLISH {karya:main}:wake ""
/// </code>
/// A script writes the node's own field and reads all in one round trip. It drops what was written an hour ago, by
/// Redis' own clock: that only tidies up, since who is alive is told by counters that rise. Nothing is kept for a
/// server that is not there: what cannot be sent at once is not sent, and the next beat is.
/// </remarks>
internal sealed class RedisBoard : IClusterBoard, IAsyncDisposable
{
    private const int FormatVersion = 1;

    private const string BeatScript =
        """
        local now = tonumber(redis.call('TIME')[1])
        redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
        local all = redis.call('HGETALL', KEYS[1])
        for i = 1, #all, 2 do
          local written = tonumber(string.match(all[i + 1], '^%d+'))
          if written and now - written > 3600 then
            redis.call('HDEL', KEYS[1], all[i])
          end
        end
        return all
        """;

    private readonly TimeSpan _answerMax;
    private readonly RedisKey _beats;
    private readonly RedisChannel _wake;
    private readonly Task _connecting;
    private volatile ConnectionMultiplexer? _connection; // Null until the first try to connect is over.

    /// <param name="configuration">
    /// As StackExchange.Redis takes it: <c>host:port,host:port,password=...,ssl=true</c>. A secret.
    /// </param>
    /// <param name="cluster">Its name: clusters of other names may use the same Redis.</param>
    /// <param name="answerMax">After this an answer is not waited for.</param>
    public RedisBoard(string configuration, string cluster, TimeSpan answerMax)
    {
        _answerMax = answerMax;
        _beats = $"{{karya:{cluster}}}:beats";
        _wake = RedisChannel.Literal($"{{karya:{cluster}}}:wake");
        var options = ConfigurationOptions.Parse(configuration);
        options.AbortOnConnectFail = false;
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.AsyncTimeout = (int)answerMax.TotalMilliseconds;
        options.ConnectTimeout = (int)answerMax.TotalMilliseconds;
        options.ReconnectRetryPolicy = new LinearRetry((int)answerMax.TotalMilliseconds);
        options.ClientName ??= "karya";
        _connecting = ConnectAsync(options);
    }

    public Action? Woken { get; set; }

    /// <summary>Whether Redis can be asked at present.</summary>
    public bool IsConnected => _connection is { IsConnected: true };

    public async Task<IReadOnlyList<Heartbeat>?> BeatAsync(Heartbeat mine, CancellationToken stopping)
    {
        if (_connection is not { IsConnected: true } connection)
            return null;
        try
        {
            var answer = await connection.GetDatabase()
                .ScriptEvaluateAsync(
                    BeatScript, [_beats], [new NodeIdentity(mine.Name, mine.Incarnation).Owner, Write(mine)])
                .WaitAsync(_answerMax, stopping);
            return Read((RedisResult[])answer!);
        }
        catch (Exception e) when (e is RedisException or TimeoutException or OperationCanceledException
            or ObjectDisposedException)
        {
            return null;
        }
    }

    public void WakeAll()
    {
        if (_connection is { IsConnected: true } connection)
            connection.GetSubscriber().Publish(_wake, RedisValue.EmptyString, CommandFlags.FireAndForget);
    }

    public async ValueTask DisposeAsync()
    {
        await _connecting;
        await _connection!.DisposeAsync();
    }

    /// <summary>Succeeds also when there is no Redis yet: the connection goes on trying by itself.</summary>
    private async Task ConnectAsync(ConfigurationOptions options)
    {
        var connection = await ConnectionMultiplexer.ConnectAsync(options);
        var messages = await connection.GetSubscriber().SubscribeAsync(_wake, CommandFlags.FireAndForget);
        messages.OnMessage(_ => Woken?.Invoke());
        _connection = connection;
    }

    private static string Write(in Heartbeat beat) => string.Create(
        CultureInfo.InvariantCulture,
        $"{FormatVersion} {beat.Counter} {beat.Weight} {(beat.CanOwn ? 1 : 0)} {(beat.IsDraining ? 1 : 0)}");

    /// <summary>What cannot be read is not from a node of this version, and says nothing.</summary>
    private static List<Heartbeat> Read(RedisResult[] fields)
    {
        var heartbeats = new List<Heartbeat>(fields.Length / 2);
        for (int i = 0; i + 1 < fields.Length; i += 2)
        {
            if (TryRead((string?)fields[i], (string?)fields[i + 1], out var heartbeat))
                heartbeats.Add(heartbeat);
        }

        return heartbeats;
    }

    private static bool TryRead(string? owner, string? text, out Heartbeat heartbeat)
    {
        heartbeat = default;
        int slash = owner?.LastIndexOf('/') ?? -1;
        string[] parts = text?.Split(' ') ?? [];
        if (slash <= 0 || parts.Length != 6)
            return false;
        long[] numbers = new long[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!long.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
                return false;
        }

        bool isKnown = numbers[1] == FormatVersion && numbers[3] is >= 1 and <= int.MaxValue
            && numbers[4] <= 1 && numbers[5] <= 1;
        if (!isKnown)
            return false;
        heartbeat = new Heartbeat(
            owner![..slash], owner[(slash + 1)..], numbers[2], (int)numbers[3], numbers[4] == 1, numbers[5] == 1);
        return true;
    }
}
