using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json;
using Karya.Client.Plans;
using Karya.Client.Workers;
using Karya.Protocol;
using Microsoft.Extensions.DependencyInjection;

namespace Karya.Client;

/// <summary>The tasks of a worker: at most 256 names.</summary>
public sealed class KaryaWorkerBuilder
{
    private readonly Dictionary<string, TaskHandler> _handlers = [];
    private readonly JsonSerializerOptions _json;
    private readonly int _concurrency;

    internal KaryaWorkerBuilder(JsonSerializerOptions json, int concurrency)
    {
        _json = json;
        _concurrency = concurrency;
    }

    /// <summary>Adds a class that is named with <see cref="KaryaTaskAttribute"/>.</summary>
    /// <param name="concurrency">Runs at once; null for that of the worker.</param>
    /// <param name="factory">
    /// Makes the object for a run, from the run's services. Null: it is taken from them, or made with its constructor's
    /// arguments from them. Disposed after the run if this made it.
    /// </param>
    public KaryaWorkerBuilder AddTask<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TTask>(
        int? concurrency = null, Func<IServiceProvider, TTask>? factory = null)
        where TTask : class, IKaryaTask
    {
        string name = typeof(TTask).GetCustomAttribute<KaryaTaskAttribute>()?.Name ?? throw new ArgumentException(
            $"{typeof(TTask).Name} has no name: give it a [KaryaTask(\"...\")].");
        return Add(name, concurrency, async (arguments, context, cancellationToken) =>
        {
            var registered = factory is null ? context.Services.GetService(typeof(TTask)) as IKaryaTask : null;
            var task = registered ?? factory?.Invoke(context.Services) ??
                ActivatorUtilities.CreateInstance<TTask>(context.Services);
            try
            {
                return await task.RunAsync(arguments, _json, context, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                if (registered is null)
                    await DisposeAsync(task).ConfigureAwait(false);
            }
        });
    }

    /// <summary>Adds a function. Its arguments are JSON.</summary>
    /// <param name="concurrency">Runs at once; null for that of the worker.</param>
    public KaryaWorkerBuilder MapTask<TArgs>(
        string name, Func<TArgs, TaskContext, CancellationToken, Task> handler, int? concurrency = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Add(name, concurrency, async (arguments, context, cancellationToken) =>
        {
            var args = TaskJson.Read<TArgs>(arguments, _json, name);
            await handler(args, context, cancellationToken).ConfigureAwait(false);
            return null;
        });
    }

    /// <summary>Adds a function with a result. Its arguments and its result are JSON.</summary>
    /// <param name="concurrency">Runs at once; null for that of the worker.</param>
    public KaryaWorkerBuilder MapTask<TArgs, TResult>(
        string name, Func<TArgs, TaskContext, CancellationToken, Task<TResult>> handler, int? concurrency = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Add(name, concurrency, async (arguments, context, cancellationToken) =>
        {
            var args = TaskJson.Read<TArgs>(arguments, _json, name);
            return TaskJson.Write(await handler(args, context, cancellationToken).ConfigureAwait(false), _json);
        });
    }

    /// <summary>Adds a function from bytes to bytes; null for no result.</summary>
    /// <param name="concurrency">Runs at once; null for that of the worker.</param>
    public KaryaWorkerBuilder MapBytes(
        string name, Func<ReadOnlyMemory<byte>, TaskContext, CancellationToken, Task<byte[]?>> handler,
        int? concurrency = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Add(name, concurrency, async (arguments, context, cancellationToken) =>
            await handler(arguments, context, cancellationToken).ConfigureAwait(false));
    }

    internal IReadOnlyDictionary<string, TaskHandler> Build() => _handlers.Count switch
    {
        0 => throw new ArgumentException("A worker needs a task: see AddTask and MapTask."),
        > ProtocolLimits.NamesPerWorkerMax => throw new ArgumentException(
            $"The worker has {_handlers.Count} task names; at most {ProtocolLimits.NamesPerWorkerMax} are allowed."),
        _ => _handlers,
    };

    private KaryaWorkerBuilder Add(
        string name, int? concurrency,
        Func<ReadOnlyMemory<byte>, TaskContext, CancellationToken, ValueTask<byte[]?>> run)
    {
        int credits = concurrency ?? _concurrency;
        ArgumentOutOfRangeException.ThrowIfLessThan(credits, 1, nameof(concurrency));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(credits, ProtocolLimits.CreditsMax, nameof(concurrency));
        if (!_handlers.TryAdd(TaskNames.Checked(name), new TaskHandler(name, credits, run)))
            throw new ArgumentException($"Two tasks are named '{name}'.");
        return this;
    }

    private static async ValueTask DisposeAsync(IKaryaTask task)
    {
        if (task is IAsyncDisposable asyncDisposable)
            await asyncDisposable.DisposeAsync().ConfigureAwait(false);
        else if (task is IDisposable disposable)
            disposable.Dispose();
    }
}
