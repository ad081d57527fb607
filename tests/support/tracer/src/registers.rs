//! The registers of a thread that stands at a system call: number, arguments, result.

use nix::sys::ptrace;
use nix::unistd::Pid;

/// The registers, as this processor has them.
#[derive(Clone, Copy)]
pub struct Registers(libc::user_regs_struct);

impl Registers {
    pub fn of(who: Pid) -> nix::Result<Self> {
        ptrace::getregset::<ptrace::regset::NT_PRSTATUS>(who).map(Self)
    }

    pub fn write(self, who: Pid) -> nix::Result<()> {
        ptrace::setregset::<ptrace::regset::NT_PRSTATUS>(who, self.0)
    }

    pub fn arguments(&self) -> [u64; 6] {
        let mut copy = *self;
        std::array::from_fn(|position| *copy.argument(position))
    }

    pub fn set_argument(&mut self, position: usize, value: u64) {
        *self.argument(position) = value;
    }

    pub fn take_arguments(&mut self, other: &Self) {
        for (position, value) in other.arguments().into_iter().enumerate() {
            // Where the first argument's register is the result's too, it is the result by now.
            if position > 0 || !FIRST_ARGUMENT_IS_RESULT {
                self.set_argument(position, value);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
const FIRST_ARGUMENT_IS_RESULT: bool = false;

#[cfg(target_arch = "x86_64")]
impl Registers {
    pub fn number(&self) -> i64 {
        self.0.orig_rax.cast_signed()
    }

    pub fn result(&self) -> i64 {
        self.0.rax.cast_signed()
    }

    pub fn set_result(&mut self, value: i64) {
        self.0.rax = value.cast_unsigned();
    }

    fn argument(&mut self, position: usize) -> &mut u64 {
        let registers = &mut self.0;
        match position {
            0 => &mut registers.rdi,
            1 => &mut registers.rsi,
            2 => &mut registers.rdx,
            3 => &mut registers.r10,
            4 => &mut registers.r8,
            _ => &mut registers.r9,
        }
    }
}

#[cfg(target_arch = "aarch64")]
const FIRST_ARGUMENT_IS_RESULT: bool = true;

#[cfg(target_arch = "aarch64")]
impl Registers {
    pub fn number(&self) -> i64 {
        self.0.regs[8].cast_signed()
    }

    pub fn result(&self) -> i64 {
        self.0.regs[0].cast_signed()
    }

    pub fn set_result(&mut self, value: i64) {
        self.0.regs[0] = value.cast_unsigned();
    }

    fn argument(&mut self, position: usize) -> &mut u64 {
        &mut self.0.regs[position.min(5)]
    }
}
