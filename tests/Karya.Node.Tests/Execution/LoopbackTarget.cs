using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Karya.Node.Tests.Execution;

/// <summary>A request as the target saw it.</summary>
internal sealed record SeenRequest(
    string Method, string PathAndQuery, IReadOnlyDictionary<string, string> Headers, string Body);

/// <summary>
/// A real HTTP server on an ephemeral loopback port. It records requests and answers as told: 200 with nothing in it,
/// until <see cref="Respond"/> says otherwise. Usable by any test that needs something to call.
/// </summary>
internal sealed class LoopbackTarget : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Channel<SeenRequest> _arrivals = Channel.CreateBounded<SeenRequest>(100_000);
    private readonly ConcurrentQueue<SeenRequest> _seen = new();

    private LoopbackTarget(WebApplication app) => _app = app;

    /// <summary>Writes the answer. The request's body has been read and recorded.</summary>
    public Func<HttpContext, Task> Respond { get; set; } = static _ => Task.CompletedTask;

    public int Port { get; private set; }

    /// <summary><c>127.0.0.1:port</c></summary>
    public string Authority => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    public IReadOnlyList<SeenRequest> Seen => [.. _seen];

    public static async Task<LoopbackTarget> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var target = new LoopbackTarget(app);
        app.Run(target.HandleAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);

        var features = app.Services.GetRequiredService<IServer>().Features;
        target.Port = new Uri(features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single()).Port;
        return target;
    }

    /// <summary>The next request that has not been asked for yet, as soon as it is there.</summary>
    public Task<SeenRequest> NextAsync() => Expect.SoonAsync(
        _arrivals.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask(), "the target is called");

    /// <summary>Answers every request from now on in this way.</summary>
    public void Answer(int status, string body = "", params (string Name, string Value)[] headers) =>
        AnswerBytes(status, Encoding.UTF8.GetBytes(body), headers);

    public void AnswerBytes(int status, byte[] body, params (string Name, string Value)[] headers)
    {
        Respond = async http =>
        {
            http.Response.StatusCode = status;
            foreach (var (name, value) in headers)
                http.Response.Headers[name] = value;
            await http.Response.Body.WriteAsync(body);
        };
    }

    /// <summary>Answers no request until told to; those that give up are forgotten.</summary>
    public Gate Hold(int status = 200)
    {
        var gate = new Gate();
        Respond = async http =>
        {
            http.Response.StatusCode = status;
            await gate.Opened.WaitAsync(http.RequestAborted);
        };
        return gate;
    }

    public async ValueTask DisposeAsync()
    {
        // Requests that a test holds would hold up a graceful stop.
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private async Task HandleAsync(HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body, Encoding.UTF8);
        var seen = new SeenRequest(
            http.Request.Method,
            http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget,
            http.Request.Headers.ToDictionary(
                header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            await reader.ReadToEndAsync(http.RequestAborted));
        _seen.Enqueue(seen);
        Assert.True(_arrivals.Writer.TryWrite(seen));
        try
        {
            await Respond(http);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The caller has gone; there is nobody left to answer.
        }
    }
}

/// <summary>Something that tests open once.</summary>
internal sealed class Gate
{
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Opened => _opened.Task;

    public void Open() => _opened.TrySetResult();
}
